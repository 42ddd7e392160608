"""Turns with a model server behind them: what it is told, what of its answer is kept, what it cost, and how its failures read."""
import json
import os
import subprocess

import pytest

from model import TEXT, WORDS, Model
from parley import UNPRIVILEGED, Parley, binary
from people import person, run_sql
from sse import chat, watch

PATH = "/api/v1/chat"
SESSIONS = "/api/v1/sessions"
THOUGHT = "Let me think."


@pytest.fixture(scope="module")
def served(parley):
    """A Parley that asks a model server of ours."""
    with Model() as model:
        options = {"model_url": model.url, "model_name": "usual-model", "history_tokens": 500, "model_first_byte_ms": 700}
        with Parley(options, postgres=parley.postgres) as running:
            yield running


@pytest.fixture
def user(served):
    return person(served)


@pytest.fixture
def guide(served):
    """A helper with all it can have."""
    owner = served.options["database"].replace("user=parley_app", "user=parley_owner")
    prompt = os.path.join(served.folder, "prompt.txt")
    with open(prompt, "w") as file:
        file.write("You are a guide.\nBe brief. ☕")

    def helper(*arguments):
        done = subprocess.run([*UNPRIVILEGED, binary(), "helper", *arguments], env={**served.environment(), "PARLEY_DATABASE": owner},
                              cwd=served.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    helper("set", "wise", "--greeting", "Welcome!", "--prompt", prompt, "--model", "wise-model")
    yield "wise"
    helper("remove", "wise")


def ask(user, text, **fields):
    """A turn that is waited for."""
    return user.post(PATH, {"text": text, **fields}, headers={"Accept": "application/json"})


def told(user, text="script:request", **fields):
    """What the model server is sent for it."""
    answer = ask(user, text, **fields)
    assert answer.status == 200, answer
    return json.loads(answer.json["content"]), answer.json["session_id"]


def said(request):
    return [(message["role"], message["content"]) for message in request["messages"]]


def answer_of(user, session):
    return user.get(f"{SESSIONS}/{session}/messages?limit=1").json[0]


# What it is told


def test_the_model_is_told_the_branch_that_is_active(user):
    session = ask(user, "one").json["session_id"]
    question = user.get(f"{SESSIONS}/{session}/messages").json[0]
    ask(user, "another branch", session_id=session)
    user.post(f"{SESSIONS}/{session}/messages", {"role": "user", "content": "said without asking"})
    request, _ = told(user, session_id=session)
    assert said(request) == [("user", "one"), ("assistant", "one"), ("user", "another branch"), ("assistant", "another branch"),
                             ("user", "said without asking"), ("user", "script:request")]
    user.put(f"{SESSIONS}/{session}/active", {"message_id": question["message_id"]})
    request, _ = told(user, session_id=session, parent_message_id=question["message_id"])
    assert said(request) == [("user", "one"), ("user", "script:request")]
    request, _ = told(user, session_id=session, parent_message_id=None)
    assert said(request) == [("user", "script:request")]
    assert request["stream"] is True


def test_another_answer_is_asked_for_without_the_first(user):
    first = ask(user, "script:request").json
    path = f"{SESSIONS}/{first['session_id']}/messages/{first['message_id']}/regenerate"
    second = user.post(path, {}, headers={"Accept": "application/json"}).json
    assert said(json.loads(second["content"])) == [("user", "script:request")]


def test_a_helper_brings_its_prompt_and_its_model(user, guide):
    request, session = told(user, helper=guide)
    assert said(request) == [("system", "You are a guide.\nBe brief. ☕"), ("assistant", "Welcome!"), ("user", "script:request")]
    assert request["model"] == "wise-model"
    assert told(user, session_id=session, model="asked-for")[0]["model"] == "asked-for"
    assert told(user)[0]["model"] == "usual-model"


def test_a_request_names_only_models_that_are_offered(served, user, guide):
    first = ask(user, "script:request").json
    again = f"{SESSIONS}/{first['session_id']}/messages/{first['message_id']}/regenerate"
    served.configure(models="cheap , other/model:7b")
    try:
        served.restart()
        for model in ("dear", "cheap , other/model:7b", ",", "*", "wise-model", "cheap,"):
            for answer in (ask(user, "x", model=model), user.post(again, {"model": model})):
                assert (answer.status, answer.problem) == (400, "invalid_field"), model
                assert answer.json["errors"] == [{"field": "model", "message": "is not offered here"}]
        for model in ("cheap", "other/model:7b", "usual-model"):
            assert told(user, model=model)[0]["model"] == model
        assert told(user, model="")[0]["model"] == "usual-model"
        assert told(user, helper=guide)[0]["model"] == "wise-model"
        served.configure(models="")
        served.restart()
        assert ask(user, "x", model="cheap").status == 400
        assert told(user, model="usual-model")[0]["model"] == "usual-model"
    finally:
        served.configure(models="*")
        served.restart()


def test_of_a_long_session_the_newest_is_told(user):
    session = user.session()
    for number in range(30):
        user.say(session, f"{number} " + "x" * 150)
    request, _ = told(user, session_id=session)
    heard = said(request)
    assert heard[-1] == ("user", "script:request")
    assert 5 < len(heard) < 20
    assert [int(text.split()[0]) for _, text in heard[:-1]] == list(range(31 - len(heard), 30))


def test_a_text_beyond_the_limit_of_history_is_told_alone(user):
    session = user.session()
    user.say(session, "before")
    text = "script:request:" + "x" * 4000
    with chat(user, text, session_id=session) as turn:
        turn.rest()
    assert user.get(f"{SESSIONS}/{session}/messages").json[1]["content"] == text


# What of its answer is kept


def cost_of(shown):
    return shown["prompt_tokens"], shown.get("completion_tokens", shown.get("tokens")), shown["tokens_estimated"]


def test_what_the_model_counts_is_what_it_cost(user):
    answer = ask(user, "script:reasoning").json
    session = answer["session_id"]
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18, "estimated": False}
    assert cost_of(answer_of(user, session)) == (7, 11, False)
    ask(user, "hello", session_id=session)
    assert cost_of(user.get(f"{SESSIONS}/{session}").json) == (14, 22, False)
    usage = user.get("/api/v1/usage").json
    assert cost_of(usage) == (14, 22, False) and usage["total_tokens"] == 36


def test_absurd_counts_cost_no_answer(served, user):
    most = 2 ** 31 - 1
    for text in (f"script:counts:{most}:{most}", "script:counts:5:5"):
        answer = ask(user, text)
        assert answer.status == 200 and answer_of(user, answer.json["session_id"])["content"] == TEXT, answer
    usage = user.get("/api/v1/usage").json
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (most + 5, 2 * most + 10)
    assert run_sql(served, "select used from parley.user_rates where user_id = %s and kind = 'tokens'", user.user_id) == [(most,)]


def test_what_the_model_does_not_count_is_estimated(user):
    answer = ask(user, "script:no-usage").json
    usage, session = answer["usage"], answer["session_id"]
    assert usage["estimated"] is True and usage["completion_tokens"] == (len(TEXT) + 3) // 4 and usage["prompt_tokens"] > 0
    cost = usage["prompt_tokens"], usage["completion_tokens"], True
    assert cost_of(answer_of(user, session)) == cost_of(user.get(f"{SESSIONS}/{session}").json) == cost_of(user.get("/api/v1/usage").json) == cost
    # A sum stays marked when what follows is counted; that itself is not.
    ask(user, "hello", session_id=session)
    assert cost_of(answer_of(user, session)) == (7, 11, False)
    assert user.get(f"{SESSIONS}/{session}").json["tokens_estimated"] is user.get("/api/v1/usage").json["tokens_estimated"] is True
    assert user.get(f"{SESSIONS}/{ask(user, 'hello').json['session_id']}").json["tokens_estimated"] is False


def test_an_answer_says_which_model_made_it():
    with Model() as model, Parley({"model_url": model.url, "model_name": "usual", "models": "other"}) as parley:
        user = person(parley)
        named = [answer_of(user, ask(user, text, **more).json["session_id"])["metadata"] for text, more in (
            ("hello", {}), ("hello", {"model": "other"}))]
        assert named == [{"model": "scripted-1"}] * 2, "as the server names it"
        with chat(user, "script:stall-headers") as turn:
            user.post(f"{SESSIONS}/{turn.first['session_id']}/stop")
            turn.rest()
        assert answer_of(user, turn.first["session_id"])["metadata"] == {"model": "usual"}, "else as it was asked"


def test_counts_that_cannot_be_true_are_estimated(user):
    text = (len(TEXT) + 3) // 4
    for prompt, completion, expected in ((7, 0, (7, text, True)), (0, 5, (..., 5, True)), (0, 0, (..., text, True)), (7, 5, (7, 5, False))):
        usage = ask(user, f"script:counts:{prompt}:{completion}").json["usage"]
        assert usage["prompt_tokens"] > 0 and expected[0] in (..., usage["prompt_tokens"]), (prompt, completion, usage)
        assert (usage["completion_tokens"], usage["estimated"]) == expected[1:], (prompt, completion, usage)
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_thoughts_are_told_and_not_kept_as_text(user):
    with chat(user, "script:reasoning") as turn:
        turn.rest()
    session = turn.first["session_id"]
    kinds = [event.type for event in turn.events]
    assert kinds.index("reasoning") < kinds.index("token") < kinds.index("done") == len(kinds) - 1
    assert "".join(event.json["content"] for event in turn.events if event.type == "reasoning") == THOUGHT
    assert turn.text == answer_of(user, session)["content"] == TEXT
    # Behind every id of this mixture there is the right rest, streamed and polled.
    whole = (THOUGHT + TEXT).encode()
    for event in turn.events[:-1]:
        with watch(user, session, event.id) as stream:
            rest = [other.json for other in stream.rest()]
        polled = user.get(f"{SESSIONS}/{session}/events?after={event.id}").json
        for events in (rest, polled):
            parts = "".join(other["content"] for other in events if other["type"] in ("reasoning", "token"))
            assert parts.encode() == whole[event.id - 1:]
            assert events[-1]["type"] == "done"


def test_thoughts_are_kept_with_the_answer_and_not_told_again(user):
    session = ask(user, "script:reasoning").json["session_id"]
    assert answer_of(user, session)["metadata"] == {"model": "scripted-1", "reasoning": THOUGHT}
    request, _ = told(user, session_id=session)
    assert said(request) == [("user", "script:reasoning"), ("assistant", TEXT), ("user", "script:request")]
    assert THOUGHT not in json.dumps(request)
    assert answer_of(user, session)["metadata"] == {"model": "scripted-1"}


def test_content_in_parts_is_text_and_thoughts(user):
    answer = ask(user, "script:parts").json
    assert (answer["content"], answer["reasoning"], answer["status"]) == (TEXT, THOUGHT, "complete")
    kept = answer_of(user, answer["session_id"])
    assert (kept["content"], kept["metadata"]["reasoning"]) == (TEXT, THOUGHT)


def test_one_json_answer_has_thoughts_and_calls(user):
    assert ask(user, "script:reasoning").json["reasoning"] == THOUGHT
    answer = ask(user, "script:tools").json
    assert (answer["content"], answer["reasoning"], answer["finish_reason"]) == ("", None, "tool_calls")
    assert [(call["id"], call["function"]["name"]) for call in answer["tool_calls"]] == [("call_a", "look_up"), ("call_b", "count")]
    assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"word": "fox"}
    kept = answer_of(user, answer["session_id"])
    assert (kept["content"], kept["status"], kept["tool_calls"]) == ("", "complete", answer["tool_calls"])


def test_pieces_of_calls_are_told_as_they_come(user):
    with chat(user, "script:tools") as turn:
        pieces = [event.json for event in turn.rest() if event.type == "tool_call"]
    assert [piece["index"] for piece in pieces] == [0, 0, 0, 0, 1]
    assert "".join(piece.get("arguments", "") for piece in pieces if piece["index"] == 0) == '{"word": "fox"}'
    assert turn.events[-1].json["tool_calls"] == answer_of(user, turn.first["session_id"])["tool_calls"]


@pytest.mark.parametrize("size", [100, 200_000])
@pytest.mark.parametrize("calls", ["", ":calls"], ids=["", "calls"])
def test_nothing_of_an_answer_is_lost_when_its_events_are(served, user, size, calls):
    text, key = f"script:think_long:{size}{calls}", {"Idempotency-Key": "long"}
    with chat(user, text, key) as turn:
        turn.rest()
    run_sql(served, "delete from parley.turn_events where user_id = %s", user.user_id)
    ids, last = [event.id for event in turn.events], turn.events[-1]
    seen = {0, 1, 50, size // 4, size // 2, size - 10, *ids[-16:-1]}
    for after in sorted(seen):
        with chat(user, text, {**key, "Last-Event-ID": str(after)}) as stream:
            stream.rest()
        told = [event.id for event in stream.events]
        assert told == sorted(set(told)) and told[0] > after
        assert (stream.events[-1].id, stream.events[-1].json) == (last.id, last.json)
        lacking = TEXT.encode()[max(after - 1 - size, 0):].decode()
        again = 3 if calls and size > 65536 else 0
        assert stream.text.endswith(lacking) and len(stream.text) <= min(len(lacking) + again, len(TEXT)), after
        lacking = {event.json["index"] for event in turn.events if event.type == "tool_call" and event.id > after}
        assert [event.json["index"] for event in stream.events if event.type == "tool_call"] == sorted(lacking), after
        thoughts = "".join(event.json["content"] for event in stream.events if event.type == "reasoning")
        assert len(thoughts) == max(0, min(size, 65536) - max(after - 1, 0)), after


def give_result(user, session, call, text):
    assert user.post(f"{SESSIONS}/{session}/messages", {"role": "tool", "content": text, "metadata": {"tool_call_id": call}}).status == 201


def test_calls_and_all_their_results_are_told_to_the_model(user):
    session = ask(user, "script:tools").json["session_id"]
    calls = answer_of(user, session)["tool_calls"]
    give_result(user, session, "call_a", "a fox is an animal")
    give_result(user, session, "call_b", "3")
    request, _ = told(user, session_id=session)
    assert request["messages"] == [
        {"role": "user", "content": "script:tools"}, {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "a fox is an animal", "tool_call_id": "call_a"}, {"role": "tool", "content": "3", "tool_call_id": "call_b"},
        {"role": "user", "content": "script:request"}]


def test_calls_without_all_their_results_are_not_told(user):
    session = ask(user, "script:tools").json["session_id"]
    give_result(user, session, "call_a", "a fox is an animal")
    assert said(told(user, session_id=session)[0]) == [("user", "script:tools"), ("user", "script:request")]


def test_a_cut_of_the_history_leaves_no_result_without_its_call(user):
    session = ask(user, "script:tools").json["session_id"]
    for call in ("call_a", "call_b"):
        give_result(user, session, call, "x" * 950)
    assert said(told(user, session_id=session)[0]) == [("user", "script:request")]


def test_half_a_call_is_not_told(user):
    with chat(user, "script:stall-call") as turn:
        turn.until(lambda event: event.type == "tool_call")
        session = turn.first["session_id"]
        assert user.post(f"{SESSIONS}/{session}/stop").status == 202
        turn.rest()
    assert answer_of(user, session)["tool_calls"], "it is kept"
    give_result(user, session, "call_a", "a result")
    assert said(told(user, session_id=session)[0]) == [("user", "script:stall-call"), ("user", "script:request")]


@pytest.mark.parametrize("script", ["script:tools", "script:reasoning", "script:no-usage"])
def test_what_is_told_when_the_events_are_gone_is_what_was_told(served, user, script):
    headers = {"Accept": "application/json", "Idempotency-Key": "once"}
    whole = user.post(PATH, {"text": script}, headers=headers).json
    run_sql(served, "delete from parley.turn_events where user_id = %s", user.user_id)
    assert user.post(PATH, {"text": script}, headers=headers).json == whole
    with chat(user, script, {"Idempotency-Key": "once"}) as turn:
        calls = [event.json for event in turn.rest() if event.type == "tool_call"]
    assert [(call["index"], call["call_id"], call["name"], call["arguments"]) for call in calls] == [
        (at, call["id"], call["function"]["name"], call["function"]["arguments"]) for at, call in enumerate(whole["tool_calls"] or [])]


# How its failures read


def test_a_failure_whose_events_are_gone_is_one_still(served, user):
    headers = {"Accept": "application/json", "Idempotency-Key": "once"}
    first = user.post(PATH, {"text": "script:cut:3"}, headers=headers)
    run_sql(served, "delete from parley.turn_events where user_id = %s", user.user_id)
    again = user.post(PATH, {"text": "script:cut:3"}, headers=headers)
    assert (again.status, again.problem, again.json["turn_id"]) == (first.status, "model_cut", first.json["turn_id"])
    with chat(user, "script:cut:3", {"Idempotency-Key": "once"}) as turn:
        assert (turn.rest()[-1].type, turn.text) == ("error", "".join(WORDS[:3]))


@pytest.mark.parametrize("script, status, code, text", [
    ("script:500", 502, "model_error", ""), ("script:400", 502, "model_refused", ""), ("script:401", 502, "model_refused", ""),
    ("script:html", 502, "model_garbled", ""), ("script:stall-headers", 504, "model_timeout", ""), ("script:reset-first", 502, "model_unreachable", ""),
    ("script:cut:3", 502, "model_cut", "".join(WORDS[:3])), ("script:cut-chunked:3", 502, "model_cut", "".join(WORDS[:3])),
    ("script:reset-mid:3", 502, "model_cut", "".join(WORDS[:3])), ("script:error-inband", 502, "model_error", "".join(WORDS[:3])),
])
def test_a_failure_is_told_and_what_came_is_kept(served, user, script, status, code, text):
    with chat(user, script) as turn:
        last = turn.rest()[-1]
    first = turn.first
    assert (last.type, last.json["code"], last.json["turn_id"]) == ("error", code, first["turn_id"])
    assert "secret" not in last.data
    assert turn.text == text
    question, answer = user.get(f"{SESSIONS}/{first['session_id']}/messages").json
    assert (question["content"], question["status"]) == (script, "complete")
    assert (answer["message_id"], answer["content"], answer["status"]) == (first["message_id"], text, "failed")
    refused = ask(user, script)
    assert (refused.status, refused.problem, refused.headers["X-Should-Retry"]) == (status, code, "false")
    assert refused.json["session_id"] and refused.json["turn_id"] and refused.json["request_id"] == refused.headers["X-Request-Id"]
    assert run_sql(served, "select distinct status, error_code from parley.turns where user_id = %s", user.user_id) == [("failed", code)]
    assert ask(user, "and now", session_id=first["session_id"]).json["content"] == "and now"


def test_a_model_that_has_too_much_to_do_says_when_to_come_back(user):
    answer = ask(user, "script:429:17")
    assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (429, "model_rate_limited", "17")
    with chat(user, "script:429:17") as turn:
        last = turn.rest()[-1].json
    assert (last["type"], last["code"], last["retry_after"]) == ("error", "model_rate_limited", 17)


def test_a_failure_that_passes_is_not_seen(user):
    assert ask(user, "script:503-then-ok:once").json["content"] == "attempt 2"
    assert ask(user, "script:reset-once:one-reset").json["content"] == "attempt 2"


def test_a_failed_answer_is_made_anew(user):
    with chat(user, "script:status-once:400:anew") as turn:
        assert turn.rest()[-1].type == "error"
    path = f"{SESSIONS}/{turn.first['session_id']}/messages/{turn.first['message_id']}/regenerate"
    second = user.post(path, {}, headers={"Accept": "application/json"}).json
    assert (second["content"], second["status"]) == ("attempt 2", "complete")
    assert answer_of(user, turn.first["session_id"])["sibling_index"] == 2


def test_a_stop_reaches_a_model_that_says_nothing(user):
    with chat(user, "script:stall-mid:3") as turn:
        turn.until(lambda event: turn.text == "".join(WORDS[:3]))
        assert user.post(f"{SESSIONS}/{turn.first['session_id']}/stop").status == 202
        done = turn.rest()[-1].json
    assert (done["status"], done["usage"]["estimated"]) == ("stopped", True)
    assert answer_of(user, turn.first["session_id"])["content"] == "".join(WORDS[:3])
