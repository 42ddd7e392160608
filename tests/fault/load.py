"""Work for a Parley that is being mistreated: people, and clients that write down what they were promised.

    crowd = people(parley, 8)
    with Load(parley, crowd) as load:
        ...                                  # kill something
    load.verify()                            # what was acknowledged is there, once, in order
"""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import random
import threading
import time
import uuid

from wire import Cut, Wire, request_bytes

GIVE_UP = 60


def until(condition, timeout=30, what="it"):
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen in {timeout} s"
        time.sleep(0.01)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def age(pid):
    """Seconds since a process was started; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return 0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


class Person:
    """Somebody with a token, a session, and a mark that all of their texts carry."""

    def __init__(self, user_id, mark, token):
        self.user_id, self.mark, self.token = user_id, mark, token
        self.session = None


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_token(parley, user_id):
    """An access token as the program makes it."""
    with open(os.path.join(parley.folder, "jwt.secret"), "rb") as file:
        secret = file.read().strip()
    now = int(time.time())
    claims = {"sub": user_id, "iss": "parley", "aud": "parley", "iat": now, "nbf": now, "exp": now + 3600}
    text = _base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + _base64url(json.dumps(claims).encode())
    return text + "." + _base64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def people(parley, count):
    """New people, each with a session. They come in by the database's back door: signing up costs a quarter of a second of work each."""
    crowd = []
    with contextlib.closing(parley.postgres.connect("postgres")) as connection, connection, connection.cursor() as cursor:
        for _ in range(count):
            user_id = str(uuid.uuid4())
            mark = "mark" + user_id.replace("-", "")
            cursor.execute("insert into parley.users (user_id, display_name) values (%s, %s)", (user_id, mark))
            cursor.execute("insert into parley.user_emails (email, user_id, password_hash) values (%s, %s, 'none')",
                           (mark + "@example.org", user_id))
            cursor.execute("insert into parley.user_usage (user_id) values (%s)", (user_id,))
            crowd.append(Person(user_id, mark, sign_token(parley, user_id)))
    wire = Wire(parley.port)
    for person in crowd:
        answer = wire.ask("POST", "/api/v1/sessions", person.token, json.dumps({"title": person.mark}).encode())
        assert answer.status == 201, answer
        person.session = answer.json["session_id"]
    wire.close()
    return crowd


class Failure:
    """A request that got no success: the answer (None: the connection was cut) and when."""

    def __init__(self, what, answer=None, error=None):
        self.what, self.answer, self.error, self.when = what, answer, error, time.monotonic()

    @property
    def status(self):
        return self.answer.status if self.answer else 0

    def __repr__(self):
        return f"<{self.what}: {self.answer or self.error}>"


class Load:
    """A client for each person, all at once: it appends to the person's session, says the same again with the same Idempotency-Key until it is
    acknowledged, and looks in between whether the last message is the one that was acknowledged last.

    Without keys nothing is said again: what got no success is there at most once, and not at all unless the answer was lost or says that the outcome
    is unknown.

    failures are requests without success, wrong are answers that must never come. size is a message's length, a number or a range; slow is how many
    seconds a request's bytes take to go out."""

    def __init__(self, parley, crowd, size=200, slow=0, keys=True):
        self.parley, self.crowd, self.keys = parley, crowd, keys
        self.size = size if isinstance(size, range) else range(size, size + 1)
        self.slow = slow
        self.failures, self.wrong, self.answers = [], [], 0
        self.promised = {person.mark: [] for person in crowd}
        self.unknown = {person.mark: set() for person in crowd}
        self.count = {person.mark: 0 for person in crowd}
        self.last_success = {person.mark: 0.0 for person in crowd}
        self.going = True
        self.threads = [threading.Thread(target=self._work, args=(person,), daemon=True) for person in crowd]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join(GIVE_UP + 30)

    def wait_for_everybody(self, timeout=30):
        """Returns when every client has had a success that was asked for after now; answers how many seconds that took."""
        begin = time.monotonic()
        until(lambda: all(when > begin for when in self.last_success.values()), timeout, "a success for every client")
        return time.monotonic() - begin

    def _work(self, person):
        wire = Wire(self.parley.port)
        while self.going and not self.wrong:
            try:
                self._append(wire, person)
                if self.keys and self.promised[person.mark] and random.random() < 0.3:
                    self._look(wire, person)
            except Exception as error:  # pylint: disable=broad-except
                self.wrong.append(Failure(f"{person.mark} stopped", error=repr(error)))
        wire.close()

    def _append(self, wire, person):
        number = self.count[person.mark]
        self.count[person.mark] += 1
        content = f"{person.mark} {number} ".ljust(random.choice(self.size), "x")
        body = json.dumps({"role": "user", "content": content}).encode()
        path, headers = f"/api/v1/sessions/{person.session}/messages", []
        if self.keys:
            headers = [("Idempotency-Key", f"{person.session}-{number}")]
        begin = time.monotonic()
        while True:
            asked = time.monotonic()
            try:
                answer = self._send(wire, path, person, body, headers)
            except Cut as error:
                answer = None
                self.failures.append(Failure("append", error=str(error)))
            else:
                self.answers += 1
                if answer.status == 201:
                    break
                self.failures.append(Failure("append", answer))
                if answer.status < 500:
                    self.wrong.append(self.failures[-1])
                    return
            if not self.keys:
                if not answer or answer.status != 503 or answer.json["code"] == "outcome_unknown":
                    self.unknown[person.mark].add(content)
                time.sleep(0.02)
                return
            if time.monotonic() - begin > GIVE_UP:
                self.wrong.append(Failure(f"no success in {GIVE_UP} s"))
                return
            time.sleep(0.02)
        if answer.json["content"] != content:
            self.wrong.append(Failure("another's answer", answer))
        self.promised[person.mark].append(content)
        self.last_success[person.mark] = asked

    def _send(self, wire, path, person, body, headers):
        if not self.slow:
            return wire.ask("POST", path, person.token, body, headers)
        data = request_bytes("POST", path, person.token, body, headers)
        pieces = 10
        try:
            for i in range(pieces):
                wire.send(data[len(data) * i // pieces:len(data) * (i + 1) // pieces])
                time.sleep(self.slow / pieces)
            return wire.read("POST")
        except (OSError, Cut) as error:
            wire.close()
            raise Cut(str(error)) from None

    def _look(self, wire, person):
        said = self.promised[person.mark]
        try:
            answer = wire.ask("GET", f"/api/v1/sessions/{person.session}/messages?limit=2", person.token)
        except Cut as error:
            self.failures.append(Failure("look", error=str(error)))
            return
        self.answers += 1
        if answer.status != 200:
            self.failures.append(Failure("look", answer))
            if answer.status < 500:
                self.wrong.append(self.failures[-1])
        elif [message["content"] for message in answer.json] != said[-2:]:
            self.wrong.append(Failure(f"not what was said last, which was {said[-1][:60]}", answer))

    def verify(self):
        """Every acknowledged message is stored, once, in the order in which it was said, and nothing else is, but what may be (see above)."""
        assert not any(thread.is_alive() for thread in self.threads), "a client hangs"
        assert not self.wrong, self.wrong[:5]
        with contextlib.closing(self.parley.postgres.connect("postgres")) as connection, connection.cursor() as cursor:
            for person in self.crowd:
                cursor.execute("select user_id::text, seq, content from parley.chat_messages where session_id = %s order by seq",
                               (person.session,))
                rows = cursor.fetchall()
                stored = [row[2] for row in rows]
                assert [content for content in stored if content not in self.unknown[person.mark]] == self.promised[person.mark]
                assert len(set(stored)) == len(stored), "stored twice"
                assert [row[1] for row in rows] == list(range(1, len(rows) + 1))
                assert {row[0] for row in rows} <= {person.user_id}
                cursor.execute("select message_count from parley.chat_sessions where session_id = %s", (person.session,))
                assert cursor.fetchone() == (len(rows),)


class Loads:
    """Clients that say again what failed, and clients that cannot."""

    def __init__(self, parley):
        self.loads = [Load(parley, people(parley, 5)), Load(parley, people(parley, 3), keys=False)]

    def __enter__(self):
        for load in self.loads:
            load.__enter__()
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.going = False
        for load in self.loads:
            load.stop()

    def wait_for_everybody(self):
        return sum(load.wait_for_everybody() for load in self.loads)

    def verify(self):
        for load in self.loads:
            load.verify()

    @property
    def answers(self):
        return sum(load.answers for load in self.loads)

    @property
    def failures(self):
        return [failure for load in self.loads for failure in load.failures]

    def __str__(self):
        unknown = sum(len(texts) for texts in self.loads[1].unknown.values())
        return f"{self.answers} answers, {len(self.failures)} failures, {unknown} of unknown outcome"
