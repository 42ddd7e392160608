"""All dialects on one store: what one of them stores, the others tell; no one of them disturbs another."""
import uuid

import pytest

import walk
from dialects import DIALECTS
from people import person


@pytest.fixture(scope="module")
def ann(parley):
    """Somebody who has begun a session in each dialect."""
    ann = person(parley)
    ann.sessions = {name: dialect.begin(ann, f"begun in {name}") for name, dialect in DIALECTS.items()}
    return ann


@pytest.mark.parametrize("name", DIALECTS)
def test_each_lists_the_sessions_of_all_newest_first(ann, name):
    listed = DIALECTS[name].listed(ann)
    ids = [session.replace(f"user-{ann.user_id}", ann.sessions["single thread"]) for session in listed]
    assert ids == list(ann.sessions.values())[::-1] and len(set(ids)) == len(DIALECTS)


@pytest.mark.parametrize("of", DIALECTS)
@pytest.mark.parametrize("name", DIALECTS)
def test_each_tells_what_was_said_in_any(ann, name, of):
    assert DIALECTS[name].said(ann, ann.sessions[of]) == [f"begun in {of}"] * 2


@pytest.mark.parametrize("of", DIALECTS)
def test_a_session_of_one_is_gone_on_with_in_all(parley, of):
    user = person(parley)
    session = DIALECTS[of].begin(user, "begun")
    for name, dialect in DIALECTS.items():
        dialect.go_on(user, session, f"gone on in {name}")
    said = [text for text in ("begun", *(f"gone on in {name}" for name in DIALECTS)) for _ in ("question", "answer")]
    for name, dialect in DIALECTS.items():
        assert dialect.said(user, session) == said, name
        assert len(dialect.listed(user)) == 1, name


@pytest.mark.parametrize("name", DIALECTS)
def test_nobody_is_told_of_others(parley, ann, name):
    stranger = person(parley)
    assert DIALECTS[name].listed(stranger) == []
    before = parley.contents(but=("user_rates",))
    for session in (ann.sessions["v1"], walk.absent()["session"], str(uuid.uuid4())):
        with pytest.raises((AssertionError, StopIteration)):
            DIALECTS[name].said(stranger, session)
        with pytest.raises((AssertionError, StopIteration)):
            DIALECTS[name].go_on(stranger, session, "words")
    assert parley.contents(but=("user_rates",)) == before


def test_what_one_clears_is_gone_in_all(parley):
    user = person(parley)
    sessions = {name: dialect.begin(user, name) for name, dialect in DIALECTS.items()}
    assert user.delete(f"/chat/history?thread_id=thread-{sessions['saves']}").status == 200
    assert user.delete(f"/api/chat/sessions?id={sessions['threads']}").status == 200
    for dialect in DIALECTS.values():
        assert len(dialect.listed(user)) == len(DIALECTS) - 2
    assert user.delete("/chat/history").status == 200
    assert [dialect.listed(user) for dialect in DIALECTS.values()] == [[]] * len(DIALECTS)
