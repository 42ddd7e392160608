"""Messages: stored as they came, in order without gaps, in pages both ways, and as a tree of branches."""
import json
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from people import person, run_sql

FIELDS = {"message_id", "session_id", "seq", "parent_id", "sibling_index", "sibling_count", "role", "content", "tool_calls",
          "metadata", "status", "turn_id", "tokens", "prompt_tokens", "tokens_estimated", "created_at"}


def messages(session):
    return f"/api/v1/sessions/{session}/messages"


def post(user, session, **fields):
    return user.post(messages(session), {"role": "user", **fields})


def page(user, session, query=""):
    answer = user.get(messages(session) + query)
    assert answer.status == 200, answer
    return answer


def seqs(answer):
    return [message["seq"] for message in answer.json]


def texts(answer):
    return [message["content"] for message in answer.json]


def wrong_fields(answer):
    assert (answer.status, answer.problem) == (400, "invalid_field"), answer
    return [error["field"] for error in answer.json["errors"]]


@pytest.fixture
def session(alice):
    return alice.session()


@pytest.fixture(scope="module")
def reader(parley):
    """Somebody with a session of 123 messages; only read from."""
    user = person(parley)
    user.chat = user.session()
    for i in range(1, 124):
        user.say(user.chat, f"text {i}", role="user" if i % 2 else "assistant")
    return user


# Appending


def test_a_message_is_answered_as_it_is_stored(alice, session):
    answer = post(alice, session, content="Hello")
    assert answer.status == 201
    message = answer.json
    assert set(message) == FIELDS
    assert uuid.UUID(message["message_id"]).version == 7
    assert (message["session_id"], message["seq"], message["parent_id"]) == (session, 1, None)
    assert (message["sibling_index"], message["sibling_count"]) == (1, 1)
    assert (message["role"], message["content"], message["tool_calls"], message["metadata"]) == ("user", "Hello", None, None)
    assert page(alice, session).json == [message]
    assert alice.get(f"/api/v1/sessions/{session}").json["last_message_at"] == message["created_at"]


@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
def test_the_four_roles_are_taken(alice, session, role):
    assert post(alice, session, role=role, content="x").json["role"] == role


@pytest.mark.parametrize("name", ["content", "text", "message"])
def test_the_text_goes_by_three_names(alice, session, name):
    assert post(alice, session, **{name: "the text"}).json["content"] == "the text"


def test_two_names_with_two_texts_are_refused(alice, session):
    assert post(alice, session, content="same", text="same").status == 201
    assert wrong_fields(post(alice, session, content="one", text="other")) == ["text"]


@pytest.mark.parametrize("text", [
    "wörld ☕ 👩‍👩‍👧 \u202e\u0001\u007f", "\\\"/\b\f\n\r\t", "<script>alert(1)</script>", "'; drop table users; --", " ", "\n",
    "${jndi:ldap://x}", "%s%n%d", "\ud7ff\ue000\ufffd\U0010ffff", "x" * 262144, "☕" * 87381,
], ids=lambda text: repr(text)[:24])
def test_a_text_comes_back_as_it_was(alice, session, text):
    assert post(alice, session, content=text).json["content"] == text
    assert texts(page(alice, session)) == [text]


def test_numbers_are_kept_digit_for_digit(alice, session):
    """More digits than a double holds, and zeros at the end."""
    metadata = '{"a": 1.10, "b": 123456789012345678901234567890, "c": -0.000000000000000000001, "d": 9007199254740993, "e": 0.30000000000000004}'
    calls = '[{"id": "call_1", "arguments": {"n": 100.00, "deep": [[{"x": null}], true, ""]}}, 2.50]'
    raw = '{"role": "assistant", "content": "x", "metadata": %s, "tool_calls": %s}' % (metadata, calls)
    answers = [alice.post(messages(session), raw=raw.encode()), page(alice, session)]
    assert answers[0].status == 201
    for answer in answers:
        kept = json.loads(answer.body, parse_float=str, parse_int=str)
        kept = kept[0] if isinstance(kept, list) else kept
        assert kept["metadata"] == json.loads(metadata, parse_float=str, parse_int=str)
        assert kept["tool_calls"] == json.loads(calls, parse_float=str, parse_int=str)


@pytest.mark.parametrize("number", ["1e131000", "1e-66000", "1e99999999999999999999", "-1E+300000", "[" + ",".join(["1e999"] * 100) + "]"],
                         ids=lambda number: number[:24])
def test_a_number_that_would_grow_beyond_the_limit_is_refused(alice, session, number):
    raw = '{"role": "user", "content": "x", "metadata": {"s": "\\"1e9", "n": %s}}' % number
    assert wrong_fields(alice.post(messages(session), raw=raw.encode())) == ["metadata"]
    assert page(alice, session).json == []


def test_an_exponent_within_the_limit_is_a_number(alice, session):
    raw = '{"role": "user", "content": "x", "metadata": {"n": 1.5e3, "s": "1e999999 \\\\", "t": true}}'
    assert alice.post(messages(session), raw=raw.encode()).json["metadata"] == {"n": 1500, "s": "1e999999 \\", "t": True}


def test_only_a_message_that_calls_tools_may_say_nothing(alice, session):
    answer = post(alice, session, role="assistant", content="", tool_calls=[{"id": "call_1"}])
    assert (answer.status, answer.json["content"], answer.json["tool_calls"]) == (201, "", [{"id": "call_1"}])
    assert wrong_fields(post(alice, session, content="")) == ["content"]


@pytest.mark.parametrize("fields, field", [
    ({"role": "robot", "content": "x"}, "role"), ({"role": "", "content": "x"}, "role"), ({"role": 1, "content": "x"}, "role"),
    ({"role": "User", "content": "x"}, "role"), ({"role": None, "content": "x"}, "role"), ({}, "content"), ({"content": None}, "content"),
    ({"content": 5}, "content"), ({"content": ["x"]}, "content"), ({"content": "x" * 262145}, "content"),
    ({"content": "☕" * 87382}, "content"), ({"content": "x", "tool_calls": {}}, "tool_calls"), ({"content": "x", "tool_calls": "[]"}, "tool_calls"),
    ({"content": "x", "metadata": []}, "metadata"), ({"content": "x", "metadata": "{}"}, "metadata"),
    ({"content": "x", "metadata": {"a": "b" * 65536}}, "metadata"), ({"content": "x", "tool_calls": ["b" * 262144]}, "tool_calls"),
    ({"content": "x", "parent_message_id": "first"}, "parent_message_id"), ({"content": "x", "parent_message_id": 1}, "parent_message_id"),
], ids=lambda value: str(value)[:36])
def test_a_wrong_field_stores_nothing(alice, session, fields, field):
    assert wrong_fields(post(alice, session, **fields)) == [field]
    assert page(alice, session).json == []
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == 0


def test_a_session_or_parent_that_is_not_there_takes_no_message(alice, session):
    assert post(alice, str(uuid.uuid4()), content="x").problem == "session_not_found"
    elsewhere = alice.say(alice.session(), "elsewhere")["message_id"]
    for parent in (str(uuid.uuid4()), elsewhere):
        answer = post(alice, session, content="x", parent_message_id=parent)
        assert (answer.status, answer.problem) == (404, "message_not_found")
    assert page(alice, session).json == []


def test_eight_writers_leave_no_gap_and_lose_nothing(parley, alice, session):
    start = threading.Barrier(8)

    def write(writer):
        client = parley.client
        client.token = alice.token
        start.wait()
        return [client.say(session, f"{writer} says {i}")["seq"] for i in range(12)]
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(write, range(8)))
    assert sorted(sum(given, [])) == list(range(1, 97))
    assert all(seqs_of_one == sorted(seqs_of_one) for seqs_of_one in given)
    kept = page(alice, session, "?offset=0&limit=200").json
    assert [message["seq"] for message in kept] == list(range(1, 97))
    assert {message["content"] for message in kept} == {f"{writer} says {i}" for writer in range(8) for i in range(12)}
    assert [message["parent_id"] for message in kept[1:]] == [message["message_id"] for message in kept[:-1]]
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == 96


# Pages


def test_a_page_is_the_last_fifty_oldest_first(reader):
    assert seqs(page(reader, reader.chat)) == list(range(74, 124))
    assert seqs(page(reader, reader.chat, "?limit=3")) == [121, 122, 123]


@pytest.mark.parametrize("query, expected", [
    ("?offset=0&limit=3", [1, 2, 3]), ("?offset=120&limit=200", [121, 122, 123]), ("?offset=123", []), ("?offset=2147483647", []),
    ("?before=4", [1, 2, 3]), ("?before=4&limit=2", [2, 3]), ("?before=1", []), ("?before=0", []), ("?before=2147483647&limit=1", [123]),
    ("?after=120", [121, 122, 123]), ("?after=0&limit=2", [1, 2]), ("?after=123", []), ("?after=2147483647", []),
    ("?branches=all&limit=2", [1, 2]), ("?branches=all&after=121", [122, 123]), ("?limit=200", list(range(1, 124))),
])
def test_a_page_is_what_was_asked_for(reader, query, expected):
    assert seqs(page(reader, reader.chat, query)) == expected


@pytest.mark.parametrize("start, rel", [("?", "prev"), ("?before=124&", "prev"), ("?offset=0&", "next"), ("?after=0&", "next"),
                                        ("?branches=all&", "next")])
@pytest.mark.parametrize("limit", [1, 10, 41, 123, 200])
def test_following_the_links_meets_every_message_once(reader, start, rel, limit):
    found, path = [], messages(reader.chat) + f"{start}limit={limit}"
    while path:
        answer = reader.get(path)
        part = seqs(answer)
        assert part == list(range(part[0], part[0] + len(part)))
        found = part + found if rel == "prev" else found + part
        path = answer.link(rel)
        assert path or not answer.headers["Link"]
    assert found == list(range(1, 124))


@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=201", "limit"), ("limit=ten", "limit"), ("offset=-1", "offset"), ("offset=2147483648", "offset"),
    ("before=x", "before"), ("after=1.5", "after"), ("offset=1&after=1", "offset"), ("before=5&after=1", "offset"),
    ("branches=some", "branches"), ("branches=all&before=5", "branches"), ("branches=all&offset=5", "branches"),
])
def test_a_wrong_part_is_refused_by_name(reader, query, field):
    assert wrong_fields(reader.get(messages(reader.chat) + "?" + query)) == [field]


def test_a_session_without_messages_has_an_empty_page(alice, session):
    for query in ("", "?offset=0", "?before=5", "?after=0", "?branches=all"):
        answer = page(alice, session, query)
        assert (answer.json, answer.headers["Link"]) == ([], None)


def test_pages_of_a_session_that_is_not_there_are_not_there(alice):
    for bad in (str(uuid.uuid4()), "x"):
        assert alice.get(messages(bad)).status == 404


def test_long_messages_come_in_shorter_pages_and_none_is_lost(alice, session):
    sent = ["\x01" * 150000 if i % 5 == 0 else "long " * 52000 for i in range(20)]
    for text in sent:
        alice.say(session, text)
    for start, rel in (("?limit=200", "prev"), ("?limit=200&offset=0", "next"), ("?limit=200&branches=all", "next")):
        found, path = [], messages(session) + start
        while path:
            answer = alice.get(path)
            assert answer.status == 200, answer
            assert 1 <= len(answer.json) < 20
            found = texts(answer) + found if rel == "prev" else found + texts(answer)
            path = answer.link(rel)
        assert found == sent


# Branches


def test_a_second_answer_to_the_same_parent_is_its_sibling(alice, session):
    question = alice.say(session, "question")
    first = alice.say(session, "first answer", role="assistant")
    alice.say(session, "thanks")
    second = post(alice, session, role="assistant", content="second answer", parent_message_id=question["message_id"]).json
    assert (second["parent_id"], second["sibling_index"], second["sibling_count"]) == (question["message_id"], 2, 2)
    assert second["seq"] == 4
    assert texts(page(alice, session)) == ["question", "second answer"]
    everything = page(alice, session, "?branches=all").json
    assert [message["content"] for message in everything] == ["question", "first answer", "thanks", "second answer"]
    assert (everything[1]["message_id"], everything[1]["sibling_index"], everything[1]["sibling_count"]) == (first["message_id"], 1, 2)
    shown = alice.get(f"/api/v1/sessions/{session}").json
    assert (shown["message_count"], shown["preview"]) == (2, "second answer")


def test_switching_shows_the_branch_of_a_message_to_its_end(alice, session):
    question = alice.say(session, "question")
    first = alice.say(session, "first answer")
    alice.say(session, "thanks")
    second = post(alice, session, content="second answer", parent_message_id=question["message_id"]).json
    answer = alice.put(f"/api/v1/sessions/{session}/active", {"message_id": first["message_id"]})
    assert (answer.status, answer.json["message_count"], answer.json["preview"]) == (200, 3, "thanks")
    assert texts(page(alice, session)) == ["question", "first answer", "thanks"]
    alice.put(f"/api/v1/sessions/{session}/active", {"message_id": second["message_id"]})
    assert texts(page(alice, session)) == ["question", "second answer"]
    assert alice.say(session, "goes on here")["parent_id"] == second["message_id"]


def test_switching_to_a_shared_message_goes_on_to_the_newest_branch(alice, session):
    question = alice.say(session, "question")
    alice.say(session, "first answer")
    post(alice, session, content="second answer", parent_message_id=question["message_id"])
    answer = alice.put(f"/api/v1/sessions/{session}/active", {"message_id": question["message_id"]})
    assert answer.json["preview"] == "second answer"


def test_the_first_message_can_be_edited_too(alice, session):
    """A parent of null makes another first message; the title that was made of the first one stays."""
    alice.say(session, "first try")
    alice.say(session, "answer")
    edited = post(alice, session, content="better words", parent_message_id=None).json
    assert (edited["parent_id"], edited["sibling_index"], edited["sibling_count"], edited["seq"]) == (None, 2, 2, 3)
    assert texts(page(alice, session)) == ["better words"]
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == 1
    assert alice.patch(f"/api/v1/sessions/{session}", {"title": None}).json["title"] == "better words"


def test_a_parent_at_the_end_is_the_same_as_none(alice, session):
    first = alice.say(session, "one")
    second = post(alice, session, content="two", parent_message_id=first["message_id"].upper()).json
    assert (second["parent_id"], second["sibling_count"]) == (first["message_id"], 1)
    assert texts(page(alice, session)) == ["one", "two"]


@pytest.mark.parametrize("body, status", [
    ({"message_id": str(uuid.uuid4())}, 404), ({"message_id": "x"}, 400), ({}, 400), ({"message_id": None}, 400), ({"message_id": 4}, 400),
], ids=str)
def test_switching_to_what_is_not_there_changes_nothing(alice, session, body, status):
    alice.say(session, "one")
    assert alice.put(f"/api/v1/sessions/{session}/active", body).status == status
    assert texts(page(alice, session)) == ["one"]


def test_a_message_of_another_session_cannot_be_switched_to(alice, session):
    elsewhere = alice.say(alice.session(), "elsewhere")["message_id"]
    answer = alice.put(f"/api/v1/sessions/{session}/active", {"message_id": elsewhere})
    assert (answer.status, answer.problem) == (404, "message_not_found")


def test_any_tree_is_shown_as_a_model_of_it_says(parley, alice, session):
    """A hundred random edits and switches, compared with a tree in Python after each."""
    rng = random.Random(7)
    tree, leaf = {}, None

    def path_to(message):
        path = []
        while message:
            path.append(message)
            message = tree[message]["parent"]
        return path[::-1]

    def newest_below(message):
        below = [other for other in tree if message in path_to(other)]
        return max(below, key=lambda other: tree[other]["seq"])
    for step in range(100):
        if tree and rng.random() < 0.3:
            target = rng.choice(list(tree))
            assert alice.put(f"/api/v1/sessions/{session}/active", {"message_id": target}).status == 200
            leaf = newest_below(target)
        else:
            parent = rng.choice([leaf, leaf, None, *tree])
            answer = post(alice, session, content=f"step {step}", parent_message_id=parent)
            assert answer.status == 201, answer
            siblings = [other for other in tree.values() if other["parent"] == parent]
            assert (answer.json["parent_id"], answer.json["sibling_index"]) == (parent, len(siblings) + 1)
            leaf = answer.json["message_id"]
            tree[leaf] = {"parent": parent, "seq": answer.json["seq"]}
        shown = page(alice, session, "?offset=0&limit=200").json
        assert [message["message_id"] for message in shown] == path_to(leaf)
    everything = page(alice, session, "?branches=all&limit=200").json
    assert [message["seq"] for message in everything] == list(range(1, len(tree) + 1))
    for message in everything:
        siblings = [other for other in tree.values() if other["parent"] == message["parent_id"]]
        assert message["sibling_count"] == len(siblings)
        assert message["sibling_index"] == 1 + sum(other["seq"] < message["seq"] for other in siblings)
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == len(path_to(leaf))


def test_parallel_edits_number_their_siblings_without_a_gap(parley, alice, session):
    question = alice.say(session, "question")["message_id"]

    def edit(i):
        client = parley.client
        client.token = alice.token
        return post(client, session, content=f"answer {i}", parent_message_id=question).json["sibling_index"]
    with ThreadPoolExecutor(6) as pool:
        indexes = list(pool.map(edit, range(12)))
    assert sorted(indexes) == list(range(1, 13))
    assert len(page(alice, session).json) == 2
    assert run_sql(parley, "select distinct sibling_count from parley.chat_messages where parent_id = %s", question) == [(12,)]
