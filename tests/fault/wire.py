"""A lean HTTP/1.1 client: many requests a second from one process, and nothing hidden: a request is never sent twice.

    wire = Wire(port)
    answer = wire.ask("POST", "/api/v1/sessions", token, b"{}")      # raises Cut when no whole answer came
"""
import json
import socket


class Cut(Exception):
    """The connection ended without a whole answer, or there was none."""


class Answer:
    __slots__ = ("status", "head", "body")

    def __init__(self, status, head, body):
        self.status, self.head, self.body = status, head, body

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name):
        """The value of a header; None when it is not there."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip().decode()
        return None

    @property
    def is_unavailable(self):
        """Whether it is what a caller may get while the database is away: 503, as a problem, with a time to come back."""
        return (self.status == 503 and self.header("Content-Type") == "application/problem+json"
                and (self.header("Retry-After") or "").isdigit() and self.json["status"] == 503)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def request_bytes(method, path, token=None, body=None, headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append("Authorization: Bearer " + token)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Wire:
    """One kept connection to a port of 127.0.0.1; opened again for the request after one that was cut or closed."""

    def __init__(self, port, timeout=60):
        self.port, self.timeout = port, timeout
        self.socket = None
        self.rest = b""

    def ask(self, method, path, token=None, body=None, headers=()):
        try:
            self.send(request_bytes(method, path, token, body, headers))
            return self.read(method)
        except OSError as error:
            self.close()
            raise Cut(repr(error)) from None
        except Cut:
            self.close()
            raise

    def send(self, data):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.rest = b""
        self.socket.sendall(data)

    def read(self, method="GET"):
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status = int(head[9:12])
        folded = head.lower()
        at = folded.find(b"\r\ncontent-length:")
        length = int(head[at + 17:].split(b"\r\n", 1)[0]) if at >= 0 and method != "HEAD" and status not in (204, 304) else 0
        while len(self.rest) < length:
            self._more()
        answer = Answer(status, head, self.rest[:length])
        self.rest = self.rest[length:]
        if b"\r\nconnection: close" in folded:
            self.close()
        return answer

    def _more(self):
        piece = self.socket.recv(262144)
        if not piece:
            raise Cut("closed after %r" % self.rest[:200])
        self.rest += piece

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None
        self.rest = b""
