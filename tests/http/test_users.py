"""The person who calls: what they are called, and leaving."""
import pytest

from client import PASSWORD
from people import person, run_sql, sign_in

ME = "/api/v1/users/me"


def rows_of(parley, user_id):
    """How many rows every per-user table has of a person."""
    tables = run_sql(parley, "select table_name from information_schema.columns "
                             "where table_schema = 'parley' and column_name = 'user_id' "
                             "and table_name in (select tablename from pg_tables where schemaname = 'parley')")
    return {table: run_sql(parley, f'select count(*) from parley."{table}" where user_id = %s', user_id)[0][0]
            for table, in tables}


def test_a_person_is_told_who_they_are(parley):
    user = person(parley, display_name="Ada")
    answer = user.get(ME)
    assert answer.status == 200
    assert {name: answer.json[name] for name in ("user_id", "email", "display_name", "avatar_url")} == {
        "user_id": user.user_id, "email": user.email, "display_name": "Ada", "avatar_url": None}
    assert "password" not in answer.body.decode()


def test_only_what_a_change_names_changes(alice):
    picture = "https://example.org/a.png?x=1"
    answer = alice.patch(ME, {"display_name": "Ada", "avatar_url": picture})
    assert (answer.status, answer.json["display_name"], answer.json["avatar_url"]) == (200, "Ada", picture)
    assert alice.patch(ME, {"display_name": "Grace"}).json["avatar_url"] == picture
    answer = alice.patch(ME, {"avatar_url": None})
    assert (answer.json["display_name"], answer.json["avatar_url"]) == ("Grace", None)
    assert alice.patch(ME, {}).json["display_name"] == "Grace"
    assert alice.patch(ME, {"display_name": None}).json["display_name"] is None
    assert alice.get(ME).json["updated_at"] > alice.get(ME).json["created_at"]


def test_a_name_may_be_any_text_of_two_hundred_characters(alice):
    for name in ("ü" * 200, "👩‍💻 ' \" \\ <b>", "x"):
        assert alice.patch(ME, {"display_name": name}).json["display_name"] == name
    assert alice.get(ME).json["display_name"] == "x"


@pytest.mark.parametrize("change, field", [
    ({"display_name": "n" * 201}, "display_name"), ({"display_name": ""}, "display_name"), ({"display_name": 7}, "display_name"),
    ({"avatar_url": "javascript:alert(1)"}, "avatar_url"), ({"avatar_url": "//example.org/a"}, "avatar_url"),
    ({"avatar_url": ""}, "avatar_url"), ({"avatar_url": "https://example.org/" + "a" * 2048}, "avatar_url"),
    ({"avatar_url": "https://a b/"}, "avatar_url"), ({"avatar_url": "data:text/html,x"}, "avatar_url"),
], ids=lambda value: str(value)[:40])
def test_a_wrong_name_or_picture_is_refused_by_name(alice, change, field):
    answer = alice.patch(ME, change)
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, [field])
    assert (alice.get(ME).json["display_name"], alice.get(ME).json["avatar_url"]) == (None, None)


def test_what_is_not_the_callers_to_change_stays(alice):
    before = alice.get(ME).json
    assert alice.patch(ME, {"email": "other@example.org", "created_at": "1970-01-01T00:00:00Z"}).status == 200
    after = alice.get(ME).json
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_leaving_removes_everything_of_that_person_alone(parley, alice, bob):
    for user in (alice, bob):
        project = user.post("/api/v1/projects", {"name": "P"}, headers={"Idempotency-Key": "key"}).json["project_id"]
        session = user.session(project_id=project)
        user.say(session, "hello")
        user.delete(f"/api/v1/sessions/{user.session()}")
        sign_in(parley, user)
        parley.client.post("/api/v1/auth/login", {"email": user.email, "password": "wrong"})
    before = rows_of(parley, bob.user_id)
    assert before["chat_messages"] == 1 and before["refresh_tokens"] == 2 and before["idempotency_keys"] == 1
    assert alice.delete(ME).status == 204
    assert set(rows_of(parley, alice.user_id).values()) == {0}
    assert alice.email not in str(parley.contents())
    assert rows_of(parley, bob.user_id) == before
    assert bob.get(ME).status == 200


def test_somebody_who_left_is_nobody(parley, alice):
    session = alice.session()
    assert alice.delete(ME).status == 204
    for answer in (alice.get(ME), alice.delete(ME), alice.patch(ME, {"display_name": "x"}), alice.get("/api/v1/usage"),
                   alice.post("/api/v1/sessions", {}), alice.post("/api/v1/projects", {"name": "P"}),
                   alice.post("/api/v1/sessions", {}, headers={"Idempotency-Key": "key"}),
                   alice.post("/api/v1/auth/password", {"current_password": PASSWORD, "new_password": "another secret"})):
        assert (answer.status, answer.problem) == (401, "user_gone"), answer
    assert alice.get(f"/api/v1/sessions/{session}").status == 404
    assert alice.get("/api/v1/sessions").json == []
    refreshed = parley.client.post("/api/v1/auth/refresh", {"refresh_token": alice.refresh_token})
    assert refreshed.problem == "refresh_invalid"
    assert parley.client.post("/api/v1/auth/login", {"email": alice.email, "password": PASSWORD}).problem == "invalid_credentials"


def test_an_address_is_free_after_leaving(parley, alice):
    alice.delete(ME)
    again = parley.signup(email=alice.email)
    assert again.user_id != alice.user_id
    assert again.get("/api/v1/sessions").json == []


def test_usage_counts_sessions_and_messages(alice):
    first, second = alice.session(), alice.session()
    alice.say(first, "one")
    alice.say(first, "two")
    usage = alice.get("/api/v1/usage").json
    assert set(usage) == {"session_count", "message_count", "prompt_tokens", "completion_tokens", "total_tokens", "tokens_estimated",
                          "since", "updated_at"}
    assert (usage["session_count"], usage["message_count"], usage["total_tokens"]) == (2, 2, 0)
    alice.delete(f"/api/v1/sessions/{first}")
    assert alice.get("/api/v1/usage").json["session_count"] == 1
    alice.delete(f"/api/v1/sessions/{second}?purge=true")
    assert alice.get("/api/v1/usage").json["session_count"] == 0


def test_helpers_are_shown_without_what_the_model_is_told(parley, alice):
    run_sql(parley, "insert into parley.helpers (name, display_name, model, system_prompt, greeting) "
                    "values ('cook', 'The Cook', 'm-1', 'secret prompt', 'Hungry?') on conflict do nothing")
    try:
        answer = alice.get("/api/v1/helpers")
        assert {"name": "cook", "display_name": "The Cook", "model": "m-1", "greeting": "Hungry?"} in answer.json
        assert "secret prompt" not in answer.body.decode()
        assert alice.anonymous().get("/api/v1/helpers").status == 401
    finally:
        run_sql(parley, "delete from parley.helpers where name = 'cook'")
