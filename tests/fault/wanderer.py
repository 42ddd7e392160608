"""People who do everything that can be done, each as themselves, and look at every answer for words of others.

Everything that a person stores carries that person's mark, so any answer and any row tells whose it is. Each answer must carry the id of the request that
it answers, so that a mix-up shows even between two requests of one person.
"""
import collections
import contextlib
import json
import random
import re
import socket
import struct
import threading
import time

import fastcgi
from wire import Cut, Wire, request_bytes

MARK = re.compile(rb"mark[0-9a-f]{32}")
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Mixed(Exception):
    """An answer that must never come."""


def expect(condition, answer, what):
    if not condition:
        raise Mixed(f"{what}: {answer}")


class Wanderer(threading.Thread):
    """Asks as one person and then as another, whatever comes to mind."""

    def __init__(self, number, parley, crowd, everybody, count):
        super().__init__(daemon=True)
        self.number, self.crowd, self.left = number, crowd, count
        self.chance = random.Random(number)
        self.wire = Wire(parley.port)
        self.port, self.path = parley.port, parley.socket
        self.ids = {person.user_id.encode() for person in everybody}
        self.all_sessions = [person.session for person in everybody]
        self.statuses = collections.Counter()
        self.kept = []  # (user, message) of appends that were acknowledged
        self.asked = 0
        self.mixed = None
        weighted = {self.list_sessions: 20, self.page: 20, self.append: 20, self.append_with_key: 8, self.repeat: 8, self.rename: 6,
                    self.read_session: 4, self.make_session: 2, self.read_self: 4, self.write_self: 3, self.project: 3,
                    self.somebody_elses: 8, self.wrong: 10, self.give_up: 5, self.give_up_at_the_socket: 5}
        self.acts, self.weights = list(weighted), list(weighted.values())

    def run(self):
        try:
            while sum(self.statuses.values()) < self.left:
                act = self.chance.choices(self.acts, self.weights)[0]
                with contextlib.suppress(Cut):
                    act(self.chance.choice(self.crowd))
        except Exception as error:  # pylint: disable=broad-except
            self.mixed = repr(error)
        self.wire.close()

    # One exchange

    def ask(self, person, method, path, body=None, headers=(), allowed=(200,), token=None):
        """None when the database was away."""
        self.asked += 1
        identifier = f"claims-{self.number}-{self.asked}"
        answer = self.wire.ask(method, path, token or person.token, body, [("X-Request-Id", identifier), *headers])
        self.statuses[answer.status] += 1
        expect(answer.header("X-Request-Id") == identifier, answer, f"another's answer to {method} {path}")
        self.check_words(person, answer)
        if answer.status == 503:
            expect(answer.is_unavailable, answer, "503 without its form")
            return None
        expect(answer.status in allowed, answer, f"{method} {path} of {person.mark}")
        return answer

    def check_words(self, person, answer):
        said = answer.head + answer.body
        expect(set(MARK.findall(said)) <= {person.mark.encode()}, answer, f"words of others for {person.mark}")
        expect(not set(UUID.findall(said)) & (self.ids - {person.user_id.encode()}), answer, f"ids of others for {person.mark}")

    def text(self, person):
        return f"{person.mark} {self.number}/{self.asked} " + "y" * self.chance.choice((0, 20, 500, 3000))

    def json(self, **fields):
        return json.dumps(fields).encode()

    # Things that succeed

    def list_sessions(self, person):
        headers = [("If-None-Match", person.etag)] if person.etag and self.chance.random() < 0.3 else []
        answer = self.ask(person, "GET", "/api/v1/sessions?limit=20", None, headers, (200, 304))
        if answer:
            person.etag = answer.header("ETag")
        if answer and answer.status == 200:
            expect(all(person.mark in row["title"] for row in answer.json), answer, "a session without the mark")
            expect({person.session} & {row["session_id"] for row in answer.json}, answer, "the first session is missing")

    def page(self, person):
        session = self.chance.choice(person.sessions)
        answer = self.ask(person, "GET", f"/api/v1/sessions/{session}/messages?limit={self.chance.choice((1, 20, 50))}")
        if answer:
            expect(all(row["session_id"] == session and person.mark in row["content"] for row in answer.json), answer, "a wrong page")

    def append(self, person, headers=(), content=None, session=None):
        session = session or self.chance.choice(person.sessions)
        content = content or self.text(person)
        answer = self.ask(person, "POST", f"/api/v1/sessions/{session}/messages", self.json(role="user", content=content), headers, (201,))
        if answer:
            row = answer.json
            expect(row["content"] == content and row["session_id"] == session, answer, "another's message")
            self.kept.append((person.user_id, row["message_id"]))
        return answer

    def append_with_key(self, person):
        """Keys are named alike for everybody: they are each person's own."""
        with person.lock:
            person.keys += 1
            key = f"key-{person.keys}"
        session, content = self.chance.choice(person.sessions), self.text(person)
        answer = self.append(person, [("Idempotency-Key", key)], content, session)
        if answer:
            person.replays.append((key, session, content, answer.json["message_id"]))

    def repeat(self, person):
        if not person.replays:
            return
        key, session, content, message = self.chance.choice(person.replays)
        headers = [("Idempotency-Key", key)]
        if self.chance.random() < 0.3:
            self.ask(person, "POST", f"/api/v1/sessions/{session}/messages", self.json(role="user", content="another"), headers, (422,))
            return
        answer = self.append(person, headers, content, session)
        if answer:
            expect(answer.json["message_id"] == message and answer.header("Idempotency-Replayed"), answer, "another answer to a repeat")

    def rename(self, person):
        title = f"{person.mark} title {self.asked}"
        answer = self.ask(person, "PUT", f"/api/v1/sessions/{self.chance.choice(person.sessions)}/title", self.json(title=title))
        if answer:
            expect(answer.json["title"] == title, answer, "another's title")

    def read_session(self, person):
        session = self.chance.choice(person.sessions)
        answer = self.ask(person, "GET", f"/api/v1/sessions/{session}")
        if answer:
            expect(answer.json["session_id"] == session and person.mark in answer.json["title"], answer, "another's session")

    def make_session(self, person):
        if len(person.sessions) < 6:
            answer = self.ask(person, "POST", "/api/v1/sessions", self.json(title=person.mark), (), (201,))
            if answer:
                person.sessions.append(answer.json["session_id"])

    def read_self(self, person):
        answer = self.ask(person, "GET", "/api/v1/users/me")
        if answer:
            expect(answer.json["user_id"] == person.user_id and person.mark in answer.json["display_name"], answer, "another person")

    def write_self(self, person):
        name = f"{person.mark} name {self.asked}"
        answer = self.ask(person, "PATCH", "/api/v1/users/me", self.json(display_name=name))
        if answer:
            expect(answer.json["display_name"] == name, answer, "another's name")

    def project(self, person):
        if person.projects < 3:
            person.projects += 1
            self.ask(person, "POST", "/api/v1/projects", self.json(name=f"{person.mark} {self.asked}"), (), (201,))
        else:
            answer = self.ask(person, "GET", "/api/v1/projects")
            expect(not answer or all(person.mark in row["name"] for row in answer.json), answer, "another's project")

    # Things that are refused

    def somebody_elses(self, person):
        session = self.chance.choice(self.all_sessions)
        if session in person.sessions:
            return
        path = f"/api/v1/sessions/{session}"
        self.chance.choice((
            lambda: self.ask(person, "GET", path, allowed=(404,)),
            lambda: self.ask(person, "GET", path + "/messages", allowed=(404,)),
            lambda: self.ask(person, "POST", path + "/messages", self.json(role="user", content=self.text(person)), (), (404,)),
            lambda: self.ask(person, "PUT", path + "/title", self.json(title="mine"), (), (404,)),
            lambda: self.ask(person, "DELETE", path, allowed=(404,)),
        ))()

    def wrong(self, person):
        path = f"/api/v1/sessions/{person.session}/messages"
        other = self.chance.choice(self.crowd)
        self.chance.choice((
            lambda: self.ask(person, "POST", path, b'{"role":"user","content":', (), (400,)),
            lambda: self.ask(person, "POST", path, self.json(role="king", content=1), (), (400,)),
            lambda: self.ask(person, "GET", path + "?limit=many", None, (), (400,)),
            lambda: self.ask(person, "GET", path, None, (), (401,), person.token[:-9] + "forgedFOR"),
            lambda: self.ask(person, "PATCH", path, b"{}", (), (405,)),
            lambda: self.ask(person, "GET", "/nothing/here", None, (), (404,)),
            lambda: self.ask(person, "POST", path, b"text", [("Content-Type", "text/plain")], (400, 415)),
            lambda: self.ask(person, "POST", path, self.json(role="user", content="x" * 300_000), (), (400, 413)),
            lambda: other is person or self.ask(person, "POST", path, self.json(role="user", content="x", user_id=other.user_id), (), (403,)),
        ))()

    # Clients that go away

    def give_up(self, person):
        """Half a request, or a whole one whose answer is not waited for."""
        data = request_bytes("POST", f"/api/v1/sessions/{person.session}/messages", person.token,
                             self.json(role="user", content=self.text(person)))
        if self.chance.random() < 0.3:
            data = request_bytes("GET", f"/api/v1/sessions/{person.session}/messages?limit=50", person.token)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as client:
            if self.chance.random() < 0.5:  # a reset instead of an orderly end
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(data[:len(data) // 2] if self.chance.random() < 0.3 else data)
            time.sleep(self.chance.choice((0, 0.001, 0.003)))
            if self.chance.random() < 0.2:
                client.settimeout(0.01)
                client.recv(20)

    def give_up_at_the_socket(self, person):
        """The same without nginx in between, which keeps half of these from the program."""
        body = self.json(role="user", content=self.text(person))
        with contextlib.suppress(OSError):
            asked = fastcgi.Request(self.path, "POST", f"/api/v1/sessions/{person.session}/messages", body,
                                    {"Authorization": "Bearer " + person.token})
            with contextlib.closing(asked):
                asked.begin()
                asked.send_body(self.chance.choice((len(body), len(body) // 2)))
                if self.chance.random() < 0.7:
                    asked.end()
                time.sleep(self.chance.choice((0, 0.001, 0.003)))


def prepare(crowd):
    """What wanderers remember of each person."""
    for person in crowd:
        person.sessions, person.replays, person.keys, person.projects, person.etag = [person.session], [], 0, 0, None
        person.lock = threading.Lock()


def gather(wanderers, crowd):
    """What they found, together."""
    return {
        "mixed": [wanderer.mixed for wanderer in wanderers if wanderer.mixed],
        "statuses": sum((wanderer.statuses for wanderer in wanderers), collections.Counter()),
        "kept": [row for wanderer in wanderers for row in wanderer.kept],
        "sessions": {person.user_id: person.sessions for person in crowd},
    }


# Each row of these people as (user, text in which only that person's mark may stand).
ROWS = {
    "chat_messages": "content",
    "chat_sessions": "title || ' ' || coalesce(preview, '')",
    "idempotency_keys": "coalesce(body, '')",
    "users": "display_name",
    "projects": "name",
    "user_emails": "email",
}


def check_rows(postgres, crowd, found):
    ids = [person.user_id for person in crowd]
    with contextlib.closing(postgres.connect("postgres")) as connection, connection.cursor() as cursor:
        for table, text in ROWS.items():
            cursor.execute(f"select user_id::text, {text} from parley.{table} where user_id = any(%s::uuid[])", (ids,))
            rows = cursor.fetchall()
            assert rows
            for user_id, words in rows:
                marks = set(MARK.findall(words.encode()))
                assert marks <= {b"mark" + user_id.replace("-", "").encode()}, (table, user_id, words[:200])
                assert marks or table == "idempotency_keys", (table, user_id, words[:200])
        cursor.execute("select user_id::text, message_id::text from parley.chat_messages where user_id = any(%s::uuid[])", (ids,))
        assert set(found["kept"]) <= set(cursor.fetchall()), "an acknowledged message is not there, or is another's"
        cursor.execute("select user_id::text, session_id::text from parley.chat_sessions where user_id = any(%s::uuid[])", (ids,))
        stored = set(cursor.fetchall())
        assert {(user, session) for user, sessions in found["sessions"].items() for session in sessions} <= stored
