"""A small HTTP client for tests: one kept connection, JSON in and out; and one that sends raw bytes.

    alice = client.signup()                       # a new person with a token
    alice.post("/api/v1/sessions", {"title": "x"}).json["session_id"]
    client.get("/healthz").status
"""
import http.client
import itertools
import json
import os
import socket

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)
_UNSET = object()
# Sees every answer that comes, and may refuse it (openapi.Witness); None: nobody does.
witness = None


class Answer:
    """What came back. json is the parsed body, problem the code of a problem document (None for anything else)."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        return self.json["code"]

    def link(self, rel):
        """The address of a Link header, or None."""
        for part in (self.headers.get("Link") or "").split(","):
            address, _, attributes = part.strip().partition(";")
            if f'rel="{rel}"' in attributes:
                return address.strip("<> ")
        return None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """Speaks with the server at a port of 127.0.0.1, as a person when it has a token."""

    def __init__(self, port, token=None, timeout=30):
        self.port = port
        self.token = token
        self.timeout = timeout
        self.user_id = None
        self.email = None
        self.password = None
        self.refresh_token = None
        self._connection = None

    # Requests

    def request(self, method, path, body=_UNSET, headers=None, raw=None):
        """Sends body as JSON, or raw bytes as they are. A kept connection that the server closed is opened again, once and only before
        anything came back."""
        sent = dict(headers or {})
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = "Bearer " + self.token
        if body is not _UNSET:
            raw = json.dumps(body).encode()
        if raw is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        sent = {name: value for name, value in sent.items() if value is not None}
        fresh = self._connection is None
        while True:
            try:
                return self._exchange(method, path, raw, sent)
            except (ConnectionError, http.client.BadStatusLine):
                self.close()
                if fresh:
                    raise
                fresh = True

    def _exchange(self, method, path, raw, headers):
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        self._connection.request(method, path, raw, headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close:
            self.close()
        if witness:
            witness.answer(method, path, answer)
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=_UNSET, **more):
        return self.request("POST", path, body, **more)

    def put(self, path, body=_UNSET, **more):
        return self.request("PUT", path, body, **more)

    def patch(self, path, body=_UNSET, **more):
        return self.request("PATCH", path, body, **more)

    def delete(self, path, body=_UNSET, **more):
        return self.request("DELETE", path, body, **more)

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    # People

    def anonymous(self):
        return Client(self.port, timeout=self.timeout)

    def signup(self, email=None, password=PASSWORD, **fields):
        """A client of a new person; .user_id, .email, .password, .token and .refresh_token are theirs."""
        email = email or f"person{next(_numbers)}.{os.getpid()}@example.org"
        person = self.anonymous()
        answer = person.post("/api/v1/auth/signup", {"email": email, "password": password, **fields})
        assert answer.status == 201, answer
        return person._signed_in(email, password, answer)

    def login(self, email, password=PASSWORD):
        person = self.anonymous()
        answer = person.post("/api/v1/auth/login", {"email": email, "password": password})
        assert answer.status == 200, answer
        return person._signed_in(email, password, answer)

    def _signed_in(self, email, password, answer):
        given = answer.json
        self.email, self.password = email, password
        self.user_id, self.token = given["user_id"], given["access_token"]
        self.refresh_token = given.get("refresh_token")
        return self

    # What a person has

    def session(self, **fields):
        """A new session's id."""
        answer = self.post("/api/v1/sessions", fields)
        assert answer.status == 201, answer
        return answer.json["session_id"]

    def say(self, session, content, role="user", **fields):
        """Appends a message; answers it."""
        answer = self.post(f"/api/v1/sessions/{session}/messages", {"role": role, "content": content, **fields})
        assert answer.status == 201, answer
        return answer.json


def raw_exchange(port, data, timeout=10, close=False):
    """Sends bytes as they are on a connection of their own and answers all bytes that come until the server closes, or a whole answer is
    there. close: our side is shut after sending."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while not _is_whole(received):
            try:
                chunk = connection.recv(65536)
            except (ConnectionResetError, TimeoutError):
                break
            if not chunk:
                break
            received += chunk
    if witness:
        witness.raw(data, received)
    return received


def raw_status(received):
    """The status of an answer in bytes; 0 when there is none."""
    words = received.split(b" ", 2)
    return int(words[1]) if received.startswith(b"HTTP/1.") and len(words) > 1 else 0


def _is_whole(received):
    head, end, body = received.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return bool(end) and len(body) >= int(value)
    return False
