"""Front ends of threads as tests speak of them: sending, and reading lines `data: {...}`.

    told = stream(alice, "How do I fix it?", thread)      # POST /chat/stream to its end
    told.types, told.text, told.thread
    split(body)                                           # what a front end makes of the bytes
"""
import json

from sse import Stream

KEYS = {"status": {"type", "content"}, "token": {"type", "content"}, "done": {"type", "thread_id"}, "error": {"type", "content", "code"}}


class Told:
    """An answer that was read to its end."""

    def __init__(self, frames):
        self.frames = frames

    @property
    def types(self):
        return [frame["type"] for frame in self.frames]

    @property
    def text(self):
        return "".join(frame["content"] for frame in self.frames if frame["type"] == "token")

    @property
    def thread(self):
        return self.frames[-1]["thread_id"]


def split(body):
    """The frames of a whole stream: each line that is not empty is `data: ` and one object, with the blanks of the documented samples."""
    frames = []
    for line in body.decode().split("\n"):
        if not line or line.startswith(":"):
            continue
        assert line.startswith("data: "), line
        frame = json.loads(line[6:])
        assert json.dumps(frame, ensure_ascii=False) == line[6:], line
        assert set(frame) == KEYS[frame["type"]], frame
        frames.append(frame)
    return frames


def begin(person, message, thread=None, path="/chat/stream", headers=None, **fields):
    """Sends; answers the sse.Stream as soon as it begins."""
    return Stream(person, "POST", path, {"message": message, **({"thread_id": thread} if thread else {}), **fields}, headers)


def stream(person, message, thread=None, **more):
    """Sends, and reads the answer to its end, which is `done`."""
    answer = person.post("/chat/stream", {"message": message, **({"thread_id": thread} if thread else {})}, **more)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"].startswith("text/event-stream"), answer
    told = Told(split(answer.body))
    assert told.types[-1] == "done", told.frames
    return told


def history(person, thread=None, query=""):
    """The messages as (role, content)."""
    answer = person.get("/chat/history" + (f"?thread_id={thread}" if thread else "?") + query)
    assert answer.status == 200, answer
    return [(message["role"], message["content"]) for message in answer.json["messages"]]


def sessions(person):
    answer = person.get("/chat/sessions")
    assert answer.status == 200, answer
    return answer.json["sessions"]
