"""Sessions: made, listed, changed, hidden, restored, removed, within quotas."""
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from parley import Parley
from people import person, run_sql, steady_minute

PATH = "/api/v1/sessions"
FIELDS = {"session_id", "title", "preview", "message_count", "is_active", "helper", "project_id", "created_at", "updated_at",
          "last_message_at", "prompt_tokens", "completion_tokens", "tokens_estimated"}


def one(session):
    return f"{PATH}/{session}"


def ids(answer):
    assert answer.status == 200, answer
    return [session["session_id"] for session in answer.json]


def walk(user, path):
    """Every session of a list, page by page, and how long the pages were."""
    found, pages = [], []
    while path:
        answer = user.get(path)
        page = ids(answer)
        found += page
        pages.append(len(page))
        path = answer.link("next")
    return found, pages


def wrong_fields(answer):
    assert (answer.status, answer.problem) == (400, "invalid_field"), answer
    return [error["field"] for error in answer.json["errors"]]


# Making


def test_a_new_session_is_answered_with_its_place(alice):
    answer = alice.post(PATH, {})
    assert answer.status == 201
    session = answer.json
    assert set(session) == FIELDS
    assert answer.headers["Location"] == one(session["session_id"])
    assert uuid.UUID(session["session_id"]).version == 7
    assert (session["title"], session["preview"], session["message_count"]) == (None, None, 0)
    assert (session["is_active"], session["helper"], session["project_id"]) == (True, None, None)
    assert session["created_at"].endswith("Z") and len(session["created_at"]) == 27
    assert alice.get(answer.headers["Location"]).json == session


def test_a_body_may_be_left_out(alice):
    assert alice.post(PATH).status == 201


def test_a_session_can_be_made_with_all_it_has(alice):
    project = alice.post("/api/v1/projects", {"name": "P"}).json["project_id"]
    session = alice.post(PATH, {"title": "ü" * 200, "helper": "cook-2", "projectId": project}).json
    assert (session["title"], session["helper"], session["project_id"]) == ("ü" * 200, "cook-2", project)


@pytest.mark.parametrize("body, field", [
    ({"title": "t" * 201}, "title"), ({"title": ""}, "title"), ({"title": 1}, "title"), ({"helper": "No Name"}, "helper"),
    ({"helper": ""}, "helper"), ({"helper": "h" * 65}, "helper"), ({"project_id": "p"}, "project_id"), ({"project_id": 1}, "project_id"),
], ids=lambda value: str(value)[:30])
def test_a_wrong_field_makes_no_session(alice, body, field):
    assert wrong_fields(alice.post(PATH, body)) == [field]
    assert alice.get(PATH).json == []


def test_a_project_that_is_not_there_makes_no_session(alice):
    answer = alice.post(PATH, {"project_id": str(uuid.uuid4())})
    assert (answer.status, answer.problem) == (404, "project_not_found")
    assert alice.get(PATH).json == []
    assert alice.get("/api/v1/usage").json["session_count"] == 0


# Listing


@pytest.mark.parametrize("title", ["a\nb", "\x1b]0;x\x07", "tab\t", "\x7f"])
def test_a_title_is_one_line_without_control_characters(alice, title):
    answer = alice.post("/api/v1/sessions", {"title": title})
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, ["title"])


def test_the_list_has_the_newest_first(alice):
    made = [alice.session(title=f"number {i}") for i in range(4)]
    assert ids(alice.get(PATH)) == made[::-1]
    alice.say(made[1], "hello")
    answer = alice.get(PATH)
    assert ids(answer) == [made[1], made[3], made[2], made[0]]
    assert set(answer.json[0]) == FIELDS
    assert (answer.json[0]["message_count"], answer.json[0]["preview"]) == (1, "hello")
    alice.put(one(made[0]) + "/title", {"title": "renamed"})
    assert ids(alice.get(PATH)) == [made[1], made[3], made[2], made[0]]


@pytest.fixture(scope="module")
def collector(parley):
    """Somebody with 250 sessions, many with the same time, some hidden."""
    user = person(parley)
    user.project = user.post("/api/v1/projects", {"name": "P"}).json["project_id"]
    run_sql(parley, """
        insert into parley.chat_sessions (user_id, session_id, project_id, helper, is_active, last_message_at, deleted_at, purge_at)
        select %s, gen_random_uuid(), case when i %% 3 = 0 then %s::uuid end, case when i %% 5 = 0 then 'cook' end, i %% 2 = 0,
            now() - (i / 7) * interval '1 microsecond', case when i > 250 then now() end, case when i > 250 then now() end
        from generate_series(1, 270) i""", user.user_id, user.project)
    user.all = [str(row[0]) for row in run_sql(parley, "select session_id from parley.chat_sessions where user_id = %s and "
                "deleted_at is null order by last_message_at desc, session_id desc", user.user_id)]
    return user


@pytest.mark.parametrize("limit", [1, 7, 30, 100])
def test_walking_the_list_meets_every_session_once_in_order(collector, limit):
    found, pages = walk(collector, f"{PATH}?limit={limit}")
    assert found == collector.all
    assert set(pages[:-1]) == {limit} and pages[-1] <= limit


def test_a_page_has_twenty_unless_told(collector):
    assert ids(collector.get(PATH)) == collector.all[:20]


@pytest.mark.parametrize("query, condition", [
    ("project_id={project}", "project_id is not null"), ("helper=cook", "helper = 'cook'"), ("active=true", "is_active"),
    ("active=false", "not is_active"), ("active=true&helper=cook&project_id={project}", "is_active and helper = 'cook' and project_id is not null"),
    ("helper=nobody", "false"),
])
def test_a_filter_holds_on_every_page(parley, collector, query, condition):
    wanted = [str(row[0]) for row in run_sql(parley, "select session_id from parley.chat_sessions where user_id = %s and deleted_at is null "
              f"and {condition} order by last_message_at desc, session_id desc", collector.user_id)]
    found, _ = walk(collector, f"{PATH}?limit=6&" + query.format(project=collector.project))
    assert found == wanted


def test_sessions_that_come_while_walking_move_nothing(parley):
    user = person(parley)
    made = [user.session() for _ in range(12)][::-1]
    found, path = [], PATH + "?limit=3"
    while path:
        answer = user.get(path)
        found += ids(answer)
        path = answer.link("next")
        user.session()
    assert found == made


@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=-1", "limit"), ("limit=", "limit"), ("limit=1e1", "limit"),
    ("cursor=x", "cursor"), ("cursor=", "cursor"), ("cursor=MjAyNi0wMS0wMQ", "cursor"), ("active=yes", "active"), ("helper=A%20b", "helper"),
    ("project_id=7", "project_id"),
])
def test_a_wrong_parameter_is_refused_by_name(alice, query, field):
    assert wrong_fields(alice.get(f"{PATH}?{query}")) == [field]


def test_an_empty_list_is_empty(alice):
    answer = alice.get(PATH)
    assert (answer.status, answer.body, answer.headers["Link"]) == (200, b"[]", None)


def test_a_list_that_did_not_change_is_not_sent_again(alice):
    session = alice.session()
    tag = alice.get(PATH).headers["ETag"]
    assert tag.startswith('"') and tag.endswith('"')
    for known in (tag, "W/" + tag, f'"other", {tag}', "*"):
        answer = alice.get(PATH, headers={"If-None-Match": known})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag), known
        assert "Content-Length" not in answer.headers
    alice.say(session, "hello")
    answer = alice.get(PATH, headers={"If-None-Match": tag})
    assert (answer.status, answer.json[0]["message_count"]) == (200, 1)
    assert answer.headers["ETag"] != tag
    assert alice.get(PATH + "?limit=1", headers={"If-None-Match": '"no"'}).status == 200


# Changing


def test_only_what_a_change_names_changes(alice):
    project = alice.post("/api/v1/projects", {"name": "P"}).json["project_id"]
    session = alice.session(title="first", helper="cook")
    answer = alice.patch(one(session), {"title": "second", "is_active": False, "project_id": project})
    assert answer.status == 200
    changed = {name: answer.json[name] for name in ("title", "is_active", "project_id", "helper")}
    assert changed == {"title": "second", "is_active": False, "project_id": project, "helper": "cook"}
    after = alice.patch(one(session), {}).json
    assert {name: after[name] for name in changed} == changed
    after = alice.patch(one(session), {"project_id": None, "helper": None, "is_active": True}).json
    assert (after["project_id"], after["helper"], after["is_active"], after["title"]) == (None, None, True, "second")


@pytest.mark.parametrize("change, field", [
    ({"title": "t" * 201}, "title"), ({"title": ""}, "title"), ({"is_active": "yes"}, "is_active"), ({"helper": "A b"}, "helper"),
    ({"project_id": "x"}, "project_id"),
], ids=lambda value: str(value)[:30])
def test_a_wrong_change_changes_nothing(alice, change, field):
    session = alice.session(title="first")
    assert wrong_fields(alice.patch(one(session), change)) == [field]
    assert alice.get(one(session)).json["title"] == "first"


def test_a_title_is_put(alice):
    session = alice.session()
    answer = alice.put(one(session) + "/title", {"title": "Ünïcode ☕"})
    assert (answer.status, answer.json["title"]) == (200, "Ünïcode ☕")
    for body in ({}, {"title": None}, {"title": ""}, {"title": "t" * 201}, {"title": 5}):
        assert wrong_fields(alice.put(one(session) + "/title", body)) == ["title"]


def test_a_title_is_the_first_fifty_characters_of_the_first_user_message(alice):
    session = alice.session()
    alice.say(session, "I am the system", role="system")
    assert alice.get(one(session)).json["title"] is None
    first = "ä☕👩" * 30
    alice.say(session, first)
    assert alice.get(one(session)).json["title"] == first[:50]
    alice.say(session, "another one")
    after = alice.get(one(session)).json
    assert (after["title"], after["preview"]) == (first[:50], "another one")


def test_a_preview_is_the_first_sixty_characters_of_the_last_message(alice):
    session = alice.session()
    alice.say(session, "question")
    alice.say(session, "ä☕👩" * 30, role="assistant")
    assert alice.get(one(session)).json["preview"] == ("ä☕👩" * 30)[:60]


def test_a_given_title_stays_until_it_is_given_back(alice):
    session = alice.session(title="mine")
    alice.say(session, "the first words")
    alice.say(session, "more")
    assert alice.get(one(session)).json["title"] == "mine"
    assert alice.patch(one(session), {"title": None}).json["title"] == "the first words"
    assert alice.patch(one(session), {"title": "again mine"}).json["title"] == "again mine"


def test_a_title_given_back_before_the_first_message_comes_with_it(alice):
    session = alice.session(title="mine")
    assert alice.patch(one(session), {"title": None}).json["title"] is None
    alice.say(session, "now")
    assert alice.get(one(session)).json["title"] == "now"


def test_what_is_no_id_is_not_there(alice):
    known = alice.session()
    for bad in ("x", "1", known[:-1], known + "0", "00000000-0000-0000-0000-000000000000", str(uuid.uuid4()), "%00", known.replace("-", "_")):
        for answer in (alice.get(one(bad)), alice.patch(one(bad), {}), alice.delete(one(bad))):
            assert answer.status in (404,) or (bad == "%00" and answer.status == 400), (bad, answer)


# Hiding, restoring, removing


def test_a_deleted_session_is_hidden_at_once_and_can_be_restored(alice):
    session, other = alice.session(), alice.session()
    alice.say(session, "keep me")
    assert alice.delete(one(session)).status == 204
    assert ids(alice.get(PATH)) == [other]
    for answer in (alice.get(one(session)), alice.get(one(session) + "/messages"), alice.patch(one(session), {"title": "x"}),
                   alice.put(one(session) + "/title", {"title": "x"}), alice.delete(one(session)),
                   alice.post(one(session) + "/messages", {"role": "user", "content": "x"}),
                   alice.put(one(session) + "/active", {"message_id": str(uuid.uuid4())})):
        assert (answer.status, answer.problem) == (404, "session_not_found")
    answer = alice.post(one(session) + "/restore")
    assert (answer.status, answer.json["session_id"], answer.json["message_count"]) == (200, session, 1)
    assert [message["content"] for message in alice.get(one(session) + "/messages").json] == ["keep me"]
    assert ids(alice.get(PATH)) == [session, other]
    assert alice.post(one(session) + "/restore").status == 200


def test_a_purged_session_is_gone_for_good(parley, alice):
    for hidden_first in (False, True):
        session = alice.session()
        alice.say(session, "forget me")
        if hidden_first:
            alice.delete(one(session))
        assert alice.delete(one(session) + "?purge=true").status == 204
        assert alice.post(one(session) + "/restore").status == 404
        assert alice.delete(one(session) + "?purge=true").status == 404
        for table in ("chat_sessions", "chat_messages"):
            assert not run_sql(parley, f"select 1 from parley.{table} where session_id = %s", session)


def test_purge_false_hides_and_another_word_does_nothing(alice):
    session = alice.session()
    assert wrong_fields(alice.delete(one(session) + "?purge=yes")) == ["purge"]
    assert alice.get(one(session)).status == 200
    assert alice.delete(one(session) + "?purge=false").status == 204
    assert alice.post(one(session) + "/restore").status == 200


def test_a_hidden_session_can_be_restored_for_thirty_days_and_is_then_purged(parley, alice):
    late, early = alice.session(), alice.session()
    for session in (late, early):
        alice.delete(one(session))
    kept = run_sql(parley, "select extract(epoch from purge_at - deleted_at) from parley.chat_sessions where session_id = %s", late)
    assert kept[0][0] == 30 * 86400
    run_sql(parley, "update parley.chat_sessions set purge_at = now() where session_id = %s", late)
    assert alice.post(one(late) + "/restore").status == 404
    purged = parley.run("purge", "-c", parley.config)
    assert purged.returncode == 0, purged
    assert not run_sql(parley, "select 1 from parley.chat_sessions where session_id = %s", late)
    assert alice.post(one(early) + "/restore").status == 200


# Quotas


@pytest.fixture(scope="module")
def strict(parley):
    with Parley({"quota_sessions_per_minute": 4, "quota_sessions": 0}, postgres=parley.postgres) as running:
        yield running


def test_sessions_a_minute_are_limited_for_each_person(strict):
    steady_minute()
    eager, calm = person(strict), person(strict)
    assert [eager.post(PATH, {}).status for _ in range(4)] == 4 * [201]
    answer = eager.post(PATH, {})
    assert (answer.status, answer.problem) == (429, "sessions_per_minute")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert len(eager.get(PATH).json) == 4
    assert eager.get("/api/v1/usage").json["session_count"] == 4
    assert calm.post(PATH, {}).status == 201
    run_sql(strict, "update parley.user_rates set window_start = window_start - interval '1 minute' where user_id = %s", eager.user_id)
    assert eager.post(PATH, {}).status == 201


def test_what_is_refused_does_not_count_against_the_minute(strict):
    steady_minute()
    user = person(strict)
    for _ in range(6):
        assert user.post(PATH, {"title": ""}).status == 400
        assert user.post(PATH, {"project_id": str(uuid.uuid4())}).status == 404
    assert [user.post(PATH, {}).status for _ in range(5)] == 4 * [201] + [429]


@pytest.fixture(scope="module")
def small(parley):
    with Parley({"quota_sessions": 5}, postgres=parley.postgres) as running:
        yield running


def test_sessions_in_all_are_limited(small):
    user, other = person(small), person(small)
    made = [user.session() for _ in range(5)]
    answer = user.post(PATH, {})
    assert (answer.status, answer.problem) == (429, "too_many_sessions")
    assert int(answer.headers["Retry-After"]) > 0
    assert other.post(PATH, {}).status == 201
    user.delete(one(made[0]))
    assert user.post(PATH, {}).status == 201
    answer = user.post(one(made[0]) + "/restore")
    assert (answer.status, answer.problem) == (429, "too_many_sessions")
    assert user.get(one(made[0])).status == 404
    user.delete(one(made[1]) + "?purge=true")
    assert user.post(one(made[0]) + "/restore").status == 200
    assert user.post(one(made[0]) + "/restore").status == 200
    assert user.post(PATH, {}).status == 429


def test_parallel_sessions_never_pass_the_limit(small):
    user = person(small)
    clients = [small.client for _ in range(8)]
    for client in clients:
        client.token = user.token
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(lambda client: client.post(PATH, {}), clients)]
    assert sorted(statuses) == 5 * [201] + 3 * [429]
    assert len(user.get(PATH).json) == 5


def test_deleting_twice_at_once_counts_once(small):
    user = person(small)
    session = user.session()
    clients = [small.client for _ in range(4)]
    for client in clients:
        client.token = user.token
    with ThreadPoolExecutor(4) as pool:
        statuses = [answer.status for answer in pool.map(lambda client: client.delete(one(session)), clients)]
    assert sorted(statuses) == [204, 404, 404, 404]
    assert user.get("/api/v1/usage").json["session_count"] == 0


def test_a_list_is_quick_however_many_were_hidden(parley, alice):
    """The list reads its own range of an index, not what was hidden before it."""
    run_sql(parley, "insert into parley.chat_sessions (user_id, session_id, deleted_at, purge_at) "
                    "select %s, gen_random_uuid(), now(), now() + interval '1 day' from generate_series(1, 20000)", alice.user_id)
    alice.session()
    times = []
    for _ in range(5):
        start = time.monotonic()
        assert len(alice.get(PATH).json) == 1
        times.append(time.monotonic() - start)
    assert min(times) < 0.02
