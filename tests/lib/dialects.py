"""All dialects as one person uses them: a session of each, and how each tells what a session holds.

    sessions = {name: dialect.begin(alice, "Hello") for name, dialect in DIALECTS.items()}
    fill(parley)                                  # a crowd that has used them all
"""
import frames
from people import person
from sse import Stream, answered


def _read(answer, status=200):
    assert answer.status == status, answer
    return answer.json


class V1:
    """Users, sessions and projects."""

    @staticmethod
    def begin(user, text):
        return answered(user, text).first["session_id"]

    @staticmethod
    def go_on(user, session, text):
        answered(user, text, session_id=session)

    @staticmethod
    def listed(user):
        return [session["session_id"] for session in _read(user.get("/api/v1/sessions?limit=100"))]

    @staticmethod
    def said(user, session):
        return [message["content"] for message in _read(user.get(f"/api/v1/sessions/{session}/messages"))]


class Saves:
    """The client saves whole sessions, both sides of them."""

    PATH = "/api/v1/chat/session"

    @classmethod
    def begin(cls, user, text):
        said = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
        return _read(user.post(cls.PATH, {"messages": said}), 201)["session_id"]

    @classmethod
    def go_on(cls, user, session, text):
        said = next(entry["messages"] for entry in cls._all(user) if entry["session_id"] == session)
        said += [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
        _read(user.post(cls.PATH, {"session_id": session, "messages": said}))

    @classmethod
    def _all(cls, user):
        return _read(user.get(cls.PATH + "s"))

    @classmethod
    def listed(cls, user):
        return [entry["session_id"] for entry in cls._all(user)]

    @classmethod
    def said(cls, user, session):
        entry = next(entry for entry in cls._all(user) if entry["session_id"] == session)
        return [message["content"] for message in entry["messages"]]


class HelperChats:
    """The client saves what it says, sends it, and saves what it was told."""

    PATH = "/api/chat/sessions"

    @classmethod
    def begin(cls, user, text):
        session = _read(user.post(cls.PATH, {"title": "New Chat"}), 201)["session"]["id"]
        cls.go_on(user, session, text)
        return session

    @classmethod
    def go_on(cls, user, session, text):
        messages = f"{cls.PATH}/{session}/messages"
        _read(user.post(messages, {"role": "user", "content": text}), 201)
        with Stream(user, "POST", "/api/chat", {"threadId": f"thread-{session}", "message": text}) as told:
            assert told.status == 200, told.answer
            told.rest()
        _read(user.post(messages, {"role": "assistant", "content": told.text}))

    @classmethod
    def listed(cls, user):
        return [session["id"] for session in _read(user.get(cls.PATH))["sessions"]]

    @classmethod
    def said(cls, user, session):
        return [message["content"] for message in _read(user.get(f"{cls.PATH}/{session}/messages"))["messages"]]


class Threads:
    """Each conversation is known by its name."""

    @staticmethod
    def begin(user, text):
        return frames.stream(user, text).thread.removeprefix("thread-")

    @staticmethod
    def go_on(user, session, text):
        frames.stream(user, text, f"thread-{session}")

    @staticmethod
    def listed(user):
        return [session["id"].removeprefix("thread-") for session in _read(user.get("/chat/sessions"))["sessions"]]

    @staticmethod
    def said(user, session):
        return [message["content"] for message in _read(user.get(f"/chat/history?thread_id=thread-{session}"))["messages"]]


class SingleThread(Threads):
    """One thread a person, `user-<id>`; its session's id is read where sessions have ids."""

    @staticmethod
    def begin(user, text):
        _read(user.post("/chat", {"message": text}))
        return next(session["id"] for session in _read(user.get("/api/chat/sessions"))["sessions"]
                    if session["thread_id"] == f"user-{user.user_id}")

    @staticmethod
    def go_on(user, session, text):
        _read(user.post("/chat", {"message": text, "thread_id": session}))


DIALECTS = {"v1": V1, "saves": Saves, "helper chats": HelperChats, "threads": Threads, "single thread": SingleThread}


def fill(parley, people=3):
    """A crowd, each of whom has a session of each dialect."""
    for number in range(people):
        user = person(parley)
        for name, dialect in DIALECTS.items():
            dialect.begin(user, f"{name} {number}")
