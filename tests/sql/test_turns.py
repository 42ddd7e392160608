"""The named queries of turns, as the program runs them: what the model is told, what a viewer that comes back is given, and
which turn a client means that lost its line."""
import json
import uuid

import pytest

from test_queries import QUERIES


class Person:
    """Somebody with a session; run() is one transaction under their claim."""

    def __init__(self, postgres):
        self.connection = postgres.connect()
        self.postgres = postgres
        self.user = str(uuid.uuid4())
        self.run("user_create", f"{self.user}@example.org", "hash", None, None)
        self.session = self.new_session()

    def run(self, name, *params):
        return self.execute(QUERIES[name], [self.user, *params])

    def execute(self, sql, params):
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("set local parley.user_id = %s", [self.user])
            cursor.execute("deallocate all")
            cursor.execute(f"prepare named as {sql}")
            cursor.execute(f"execute named({', '.join(['%s'] * len(params))})" if params else "execute named", params)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def new_session(self, **more):
        session = str(uuid.uuid4())
        self.run("session_create", session, None, None, more.get("helper"), 0, 0)
        return session

    def say(self, role, content, tool_calls=None, metadata=None, session=None):
        message = str(uuid.uuid4())
        self.run("message_append", session or self.session, message, role, content, tool_calls, metadata, None, None)
        return message

    def begin(self, text, session=None, lease=20, **more):
        turn, user_message, answer = (str(uuid.uuid4()) for _ in range(3))
        self.run("turn_begin", session or self.session, False, None, None, None, text, more.get("parent"), turn, user_message, answer,
                 lease, 0, 0, 0, 0, 0, None)
        return turn

    def checkpoint(self, turn, *tokens, after=0):
        events = []
        for token in tokens:
            after += len(token.encode())
            events.append({"id": after, "type": "token", "data": {"type": "token", "content": token}})
        return self.run("turn_checkpoint", turn, json.dumps(events), 20)[0][0]

    def finish(self, turn, content, status="complete", events=None, tool_calls=None):
        return self.run("turn_finish", turn, events and json.dumps(events), status, content, tool_calls, "stop", None, None, 1, 1, False)[0][0]

    def answer(self, text, content, **more):
        turn = self.begin(text, **more)
        assert self.finish(turn, content) == "saved"
        return turn

    def history(self, budget=100000, session=None):
        return [(role, content) for role, content, *_ in self.run("turn_history", session or self.session, budget)]

    def as_superuser(self, sql, *params):
        connection = self.postgres.connect("postgres")
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, params)
        connection.close()


@pytest.fixture
def ann(postgres):
    person = Person(postgres)
    yield person
    person.connection.close()


def test_the_model_is_told_the_path_without_what_is_empty(ann):
    ann.say("system", "Be brief.")
    ann.answer("One", "Uno")
    ann.answer("Two", "")
    turn = ann.begin("Three")
    ann.checkpoint(turn, "Tr")
    assert ann.history() == [("system", "Be brief."), ("user", "One"), ("assistant", "Uno"), ("user", "Two"), ("user", "Three")]
    ann.finish(turn, "Tr", "interrupted")
    assert ann.history()[-1] == ("assistant", "Tr")


def call(id):
    return {"id": id, "function": {"name": "f"}}


def calls(*ids):
    return json.dumps([call(id) for id in ids])


@pytest.mark.parametrize("what, asked, given, told", [
    ("each result", ["a", "b"], ["b", "a"], ["b", "a"]),
    ("a result lacks", ["a", "b"], ["a"], None),
    ("no result", ["a"], [], None),
    ("more results than calls", ["a"], ["a", "z", None], ["a"]),
    ("a result twice", ["a"], ["a", "a"], ["a"]),
    ("a call without an id", [None], ["a", None], None),
    ("no call", [], ["a"], None),
    ("two calls with one id", ["a", "a"], ["a", "a"], None),
    ("an empty id", [""], [""], None),
    ("a number", [5], ["5"], None),
])
@pytest.mark.parametrize("text", ["", "Let me see."])
def test_the_model_is_told_calls_with_all_their_results_or_none(ann, what, asked, given, told, text):
    ann.say("user", "Hi")
    ann.say("assistant", text, calls(*asked))
    for id in given:
        ann.say("tool", f"result of {id}", None, None if id is None else json.dumps({"tool_call_id": id}))
    ann.say("user", "And?")
    expected = [("assistant", text, [call(id) for id in asked] if told else None, None)] if told or text else []
    expected += [("tool", f"result of {id}", None, id) for id in told or ()]
    assert ann.run("turn_history", ann.session, 1000)[1:-1] == expected


@pytest.mark.parametrize("element", [
    [call("b")], "b", None, {"id": "b"}, {"id": {"id": "b"}, "function": {"name": "f"}}, {"id": ["b"], "function": {"name": "f"}},
    {"id": "b", "function": "f"}, {"id": "b", "function": [{"name": "f"}]}, {"id": "b", "function": {"name": ""}},
    {"id": "b", "function": {"name": 5}}], ids=json.dumps)
def test_the_model_is_told_no_calls_that_are_none(ann, element):
    for others in ([], [call("a")]):
        ann.say("assistant", "Let me see.", json.dumps([*others, element]))
        for id in "ab":
            ann.say("tool", "a result", None, json.dumps({"tool_call_id": id}))
    ann.say("assistant", "Let me see.", json.dumps({"id": "b", "call": element}))
    assert ann.run("turn_history", ann.session, 1000) == [("assistant", "Let me see.", None, None)] * 3


def test_a_result_stands_right_behind_its_call_or_is_not_told(ann):
    ann.say("tool", "before", None, '{"tool_call_id": "a"}')
    ann.say("assistant", "Let me see.", calls("a"))
    ann.say("user", "Hello?")
    ann.say("tool", "late", None, '{"tool_call_id": "a"}')
    ann.say("user", "And?", calls("b"))
    ann.say("tool", "of no answer", None, '{"tool_call_id": "b"}')
    assert ann.run("turn_history", ann.session, 1000) == [
        ("assistant", "Let me see.", None, None), ("user", "Hello?", None, None), ("user", "And?", None, None)]


def test_a_cut_leaves_no_result_without_its_call(ann):
    ann.say("assistant", "x" * 100, calls("a", "b"))
    for id in "ab":
        ann.say("tool", "y" * 100, None, json.dumps({"tool_call_id": id}))
    ann.say("user", "And?")
    assert [len(ann.history(budget)) for budget in (100, 200, 300, 500)] == [1, 1, 1, 4]


@pytest.mark.parametrize("status", ["complete", "stopped", "failed", "interrupted"])
def test_the_model_is_told_calls_of_whole_answers_alone(ann, status):
    for content in ("", "Let me"):
        turn = ann.begin("Hi")
        ann.finish(turn, content, status, tool_calls=calls("a"))
        ann.say("tool", "a result", None, '{"tool_call_id": "a"}')
    kept = ["user", "assistant", "tool", "user", "assistant", "tool"] if status == "complete" else ["user", "user", "assistant"]
    assert [role for role, _ in ann.history()] == kept


def test_the_model_is_told_one_branch(ann):
    first = ann.say("user", "One")
    ann.say("assistant", "Uno")
    ann.begin(None, parent=first)
    assert ann.history() == [("user", "One")]


def test_the_model_is_told_what_fits_and_the_newest_message_in_any_case(ann):
    for content in ("a" * 100, "b" * 100, "c" * 100):
        ann.say("user", content)
    assert [content[0] for _, content in ann.history(116)] == ["c"]
    assert [content[0] for _, content in ann.history(231)] == ["c"]
    assert [content[0] for _, content in ann.history(232)] == ["b", "c"]
    assert [content[0] for _, content in ann.history(1)] == ["c"]
    ann.say("assistant", "", json.dumps([{"arguments": "x" * 1000}]))
    ann.say("user", "d")
    assert [content for _, content in ann.history(500)] == ["d"], "calls count as text"
    ann.say("user", "é" * 100)
    assert len(ann.history(215)) == 1 and len(ann.history(235)) == 2, "bytes, not characters"


def test_the_model_is_told_500_messages_at_most(ann):
    for i in range(502):
        ann.say("user", str(i))
    assert [content for _, content in ann.history()] == [str(i) for i in range(2, 502)]


def test_a_viewer_is_given_what_lies_behind_an_id(ann):
    turn = ann.begin("Hi")
    assert ann.checkpoint(turn, "He", "llo", "!") == "go"
    assert [row[0] for row in ann.run("turn_events", turn, 0, 10)] == [2, 5, 6]
    assert [row[0] for row in ann.run("turn_events", turn, 2, 10)] == [5, 6]
    assert [row[0] for row in ann.run("turn_events", turn, 3, 1)] == [5], "the one that an id lies in"
    assert ann.run("turn_events", turn, 6, 10) == []
    assert ann.run("turn_events", turn, 0, 1) == [(2, "token", {"type": "token", "content": "He"})]
    assert ann.run("turn_text", turn) == [("Hello!",)]


def test_the_newest_turn_tells_where_it_is(ann):
    assert ann.run("turn_watched", ann.session, 0) == []
    ann.answer("One", "Uno")
    turn = ann.begin("Two")
    ann.checkpoint(turn, "Dos")
    newest = max(row[0] for row in ann.execute("select turn_id::text from parley.turns where user_id = $1", [ann.user]))
    assert ann.run("turn_watched", ann.session, 0)[0][0] == newest, "UUIDv7 in the program: the greatest"
    found = ann.run("turn_get", turn)[0]
    assert (found[0], found[1], found[2], found[6]) == (turn, "streaming", 3, ann.session)


def test_a_turn_whose_events_may_be_purged_has_none(ann):
    turn = ann.begin("Hi")
    ann.finish(turn, "Ho", events=[{"id": 1, "type": "done", "data": {}}])
    assert ann.run("turn_get", turn)[0][2] == ann.run("turn_watched", ann.session, 0)[0][2] == 1
    ann.as_superuser("update parley.turns set ended_at = now() - interval '25 hours' where turn_id = %s", turn)
    assert ann.run("turn_get", turn)[0][2] == ann.run("turn_watched", ann.session, 0)[0][2] == 0


def test_a_turn_of_a_hidden_session_is_not_found(ann):
    turn = ann.begin("Hi")
    ann.run("session_hide", ann.session, 30)
    assert ann.run("turn_get", turn) == [] and ann.run("turn_of_text", None, "Hi") == []
    ann.run("session_restore", ann.session, 0)
    assert len(ann.run("turn_get", turn)) == len(ann.run("turn_of_text", None, "Hi")) == 1


def test_nobody_finds_anothers_turn(postgres, ann):
    turn = ann.begin("Hi")
    ann.checkpoint(turn, "Ho")
    bob = Person(postgres)
    for name, params in (("turn_get", [turn]), ("turn_watched", [ann.session, 0]), ("turn_events", [turn, 0, 10]),
                         ("turn_of_text", [None, "Hi"]), ("turn_of_event", [ann.session, 1]), ("turn_history", [ann.session, 1000])):
        assert bob.run(name, *params) == [], name
        assert bob.execute(QUERIES[name], [ann.user, *params]) == [], f"{name} in the other's name"
    assert bob.run("turn_text", turn) == [("",)]
    ann.finish(turn, "Ho")
    assert bob.run("turn_retold", turn) == bob.execute(QUERIES["turn_retold"], [ann.user, turn]) == []
    bob.connection.close()


def test_a_client_that_lost_its_line_finds_its_turn_by_what_it_said(ann):
    other = ann.new_session()
    first, second = ann.answer("Hi", "Ho"), ann.answer("Hi", "Ho ho", session=other)
    ann.answer("Hi!", "?")
    assert ann.run("turn_of_text", None, "Hi") == [], "either may be meant"
    assert ann.run("turn_of_text", ann.session, "Hi") == [(first,)], "in its session"
    third = ann.answer("Hi", "Ho")
    assert ann.run("turn_of_text", ann.session, "Hi") == [(third,)], "the newest in a session"
    ann.as_superuser("update parley.turns set started_at = now() - interval '61 minutes' where turn_id = %s", third)
    assert ann.run("turn_of_text", ann.new_session(), "Hi") == ann.run("turn_of_text", None, "hi") == []
    old = "update parley.turns set started_at = now() - interval '%s minutes', ended_at = now() - interval '%s minutes' where turn_id = %s"
    ann.as_superuser(old, 20, 11, second)
    assert ann.run("turn_of_text", None, "Hi") == [(first,)], "rather one that has just ended"
    ann.as_superuser(old, 21, 12, first)
    assert ann.run("turn_of_text", None, "Hi") == [(second,)], "the newest of those long ended"
    running = ann.begin("Hi", session=ann.new_session())
    ann.as_superuser("update parley.turns set started_at = now() - interval '25 minutes' where turn_id = %s", running)
    assert ann.run("turn_of_text", None, "Hi") == [(running,)], "rather one that runs"
    assert ann.finish(running, "Ho") == "saved"
    ann.as_superuser(old, 62, 61, running)
    ann.as_superuser(old, 61, 60, second)
    assert ann.run("turn_of_text", None, "Hi") == [(first,)], "of the last hour"


def test_a_request_with_a_key_finds_its_turn(ann):
    ann.run("idempotency_begin", "key", "hash", 24)
    assert ann.run("turn_of_key", "key") == [], "none yet"
    turn = ann.begin("Hi")
    assert ann.run("turn_note_key", "key", turn) == 1
    assert ann.run("turn_of_key", "key") == [(turn,)] and ann.run("turn_of_key", "other") == []
    assert ann.execute("select status from parley.idempotency_keys where user_id = $1", [ann.user]) == [(200,)]
    ann.as_superuser("update parley.idempotency_keys set expires_at = now() where user_id = %s", ann.user)
    assert ann.run("turn_of_key", "key") == [], "an outlived key"
    ann.run("idempotency_begin", "key", "hash", 24)
    assert ann.run("turn_of_key", "key") == [], "used for something else"


def test_purging_leaves_the_text_and_whatever_is_its_only_copy(postgres, ann):
    ended = ann.begin("Hi")
    ann.checkpoint(ended, "Ho")
    ann.finish(ended, "Ho")
    lost = ann.begin("Hi", lease=-1)
    ann.execute("select parley.turn_store_events($1::uuid, $2::uuid, $3::jsonb, 0, null)",
                [ann.user, lost, '[{"id": 2, "type": "token", "data": {"content": "Ha"}}]'])
    ann.as_superuser("update parley.turn_events set purge_at = purge_at - interval '25 hours', created_at = created_at - interval '1 year'")
    purge = postgres.connect()
    with purge, purge.cursor() as cursor:
        cursor.execute("set local parley.purge = 'due'")
        cursor.execute(f"prepare purge as {QUERIES['purge_turn_events']}")
        cursor.execute("execute purge(500)")
    purge.close()
    assert ann.run("turn_events", ended, 0, 10) == []
    assert [(event, kind) for event, kind, _ in ann.run("turn_retold", ended)] == [(1, "session"), (3, "token"), (4, "done")], "it can be told again"
    assert ann.run("turn_retold", lost) == [], "but not before its end"
    ann.run("turn_settle", ann.session)
    assert [content for _, content in ann.history()] == ["Hi", "Ho", "Hi", "Ha"]
