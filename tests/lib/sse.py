"""A reader of server-sent events, and turns as tests speak of them.

    with Stream(alice, "GET", f"/api/v1/sessions/{session}/stream") as stream:
        for event in stream:                      # .id, .type, .json, .at
            ...
    turn = chat(alice, "one two three")           # a Stream of POST /chat: the first event is read
    turn.rest()                                   # all others; the end of the body must be there
    turn.close(reset=True)                        # or gone, at any moment

What must stay true: bytes are read as they come, never waited for in blocks; an event counts when the empty line behind it came; a body
that is cut is an error (http.client.IncompleteRead), not an end.
"""
import http.client
import json
import socket
import struct
import time

import client
from client import Answer


class Event:
    """What came: id and data as they were sent, and when (time.monotonic)."""

    def __init__(self, id, data, at):
        self.id = id
        self.data = data
        self.at = at

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def type(self):
        return self.json["type"]

    @property
    def content(self):
        """The text that the event adds to the answer."""
        return self.json["content"] if self.type == "token" else ""

    def __repr__(self):
        return f"<{self.id}: {self.data[:300]}>"


class Parser:
    """The bytes of a stream into events, by the rules of the HTML standard; but what is not UTF-8 is an error here."""

    def __init__(self):
        self.last_id = None  # of the last event that was given out
        self.comments = []
        self._rest = b""
        self._first = True
        self._skip_newline = False
        self._id, self._data = None, []

    def feed(self, chunk):
        """The events that are whole now."""
        self._rest += chunk
        return [event for line in self._lines() for event in self._line(line)]

    def _lines(self):
        """Whole lines: they end with CR LF, LF or CR; an LF that comes in the chunk after its CR ends no second line."""
        if self._skip_newline and self._rest:
            self._rest = self._rest.removeprefix(b"\n")
            self._skip_newline = False
        while True:
            ends = [at for at in (self._rest.find(b"\n"), self._rest.find(b"\r")) if at >= 0]
            if not ends:
                return
            at = min(ends)
            line, self._rest = self._rest[:at], self._rest[at:]
            self._skip_newline = self._rest == b"\r"
            self._rest = self._rest[2 if self._rest.startswith(b"\r\n") else 1:]
            yield line.decode("utf-8")

    def _line(self, line):
        if self._first:
            line, self._first = line.removeprefix("\ufeff"), False
        if not line:
            yield from self._dispatch()
        elif line.startswith(":"):
            self.comments.append(line[1:].removeprefix(" "))
        else:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "id" and "\0" not in value:
                self._id = value

    def _dispatch(self):
        data, self._data = self._data, []
        if data:
            given, self._id = self._id, None
            self.last_id = given if given is not None else self.last_id
            yield Event(int(given) if given is not None else None, "\n".join(data), time.monotonic())


class Stream:
    """One request of a person whose answer is read event by event, on a connection of its own. An answer that is none of events is there as
    `answer`, a client.Answer."""

    def __init__(self, person, method, path, body=None, headers=None, timeout=30):
        sent = {"Authorization": "Bearer " + person.token} if person.token else {}
        if body is not None:
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        self.begun = time.monotonic()
        self.events = []
        self.answer = None
        self.over = False
        self._parser = Parser()
        self._waiting = []
        self._connection = http.client.HTTPConnection("127.0.0.1", person.port, timeout=timeout)
        self._connection.request(method, path, body, {**sent, **(headers or {})})
        # http.client lets go of the socket when the answer says that the connection ends with it.
        self._socket = self._connection.sock
        self._response = self._connection.getresponse()
        self.status, self.headers = self._response.status, self._response.headers
        if not (self.headers.get("Content-Type") or "").startswith("text/event-stream"):
            self.answer = Answer(self.status, self.headers, self._response.read())
            self.close()
        self._look = None
        if client.witness and self.answer:
            client.witness.answer(method, path, self.answer)
        elif client.witness:
            self._look = client.witness.stream(method, path, self.status, self.headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        """The events, each once: a second loop goes on where the first one left."""
        while (event := self.next()) is not None:
            yield event

    def next(self):
        """The next event; None at the end."""
        while not self._waiting and not self.over:
            chunk = self._response.read1(65536)
            self.over = not chunk
            self._waiting += self._parser.feed(chunk)
        if not self._waiting:
            return None
        self.events.append(self._waiting.pop(0))
        if self._look:
            self._look(self.events[-1].data)
        return self.events[-1]

    def take(self, count):
        """The next events, as many as that or up to the end."""
        return [event for event in (self.next() for _ in range(count)) if event]

    def rest(self):
        """All events that did not come yet, to the end of the stream."""
        return list(self)

    def until(self, is_it):
        """Reads on to an event of which that is true, and answers it."""
        for event in self:
            if is_it(event):
                return event
        raise AssertionError(f"the stream has ended without it: {self.events}")

    @property
    def comments(self):
        return self._parser.comments

    @property
    def first(self):
        """The session's event: what POST /chat says first."""
        return self.events[0].json if self.events else self.next().json

    @property
    def text(self):
        """The answer as far as it was read."""
        return "".join(event.content for event in self.events)

    def close(self, reset=False):
        """Leaves; with a reset as a machine does that has gone."""
        if reset and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._response.close()
        self._connection.close()
        self._socket.close()


def chat(person, text, headers=None, **fields):
    """Begins a turn."""
    stream = Stream(person, "POST", "/api/v1/chat", {"text": text, **fields}, headers)
    if stream.answer is None:
        stream.next()
    return stream


def answered(person, text, **fields):
    """Has a turn from start to end; answers its stream, read and closed."""
    with chat(person, text, **fields) as stream:
        assert stream.status == 200, stream.answer
        stream.rest()
        assert stream.events[-1].type == "done", stream.events
    return stream


def watch(person, session, after=None, **headers):
    """Joins the turn of a session."""
    query = "" if after is None else f"?after={after}"
    return Stream(person, "GET", f"/api/v1/sessions/{session}/stream{query}",
                  headers={name.replace("_", "-"): str(value) for name, value in headers.items()})


def text_of(events):
    """The answer that events tell."""
    return "".join(event.content for event in events)


def words(count, word="word"):
    """A text of so many words: the built-in model takes 20 ms for each."""
    return " ".join(f"{word}{number}" for number in range(1, count + 1))
