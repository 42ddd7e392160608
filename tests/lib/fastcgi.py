"""A FastCGI client for tests, as plain as the protocol: one request a connection.

    answer = fastcgi.request("/run/parley.sock", "GET", "/healthz")
    answer.status, answer.headers["content-type"], answer.body

    slow = fastcgi.Request(path, "POST", "/api/v1/auth/login", body=b"...")   # in pieces, to hold a worker in the middle
    slow.begin(); slow.send_body(10); ...; slow.end(); answer = slow.read()
"""
import socket
import struct

import client

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


class Broken(Exception):
    """The connection ended without a whole answer."""


class Answer:
    def __init__(self, output):
        head, separator, self.body = output.partition(b"\r\n\r\n")
        if not separator:
            raise Broken("no end of headers in %r" % output[:200])
        lines = [line.partition(": ") for line in head.decode().split("\r\n")]
        self.headers = {name.lower(): value for name, _, value in lines}
        self.status = int(self.headers.get("status", "200").split()[0])


def record(kind, content):
    return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    def length(text):
        return struct.pack("!B", len(text)) if len(text) < 128 else struct.pack("!I", len(text) | 1 << 31)
    name, value = name.encode(), value.encode()
    return length(name) + length(value) + name + value


class Request:
    """headers are given by their usual names; params are further FastCGI parameters."""

    def __init__(self, path, method, uri, body=b"", headers=None, params=None, timeout=20):
        self.body = body
        self.sent = 0
        self.params = {"REQUEST_METHOD": method, "REQUEST_URI": uri, "SERVER_PROTOCOL": "HTTP/1.1",
                       "GATEWAY_INTERFACE": "CGI/1.1", "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1"}
        if body:
            self.params.update({"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"})
        for name, value in (headers or {}).items():
            self.params["HTTP_" + name.upper().replace("-", "_")] = value
        self.params.update(params or {})
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise

    def begin(self):
        params = b"".join(pair(name, value) for name, value in self.params.items())
        self.socket.sendall(record(BEGIN_REQUEST, b"\0\1\0\0\0\0\0\0") + record(PARAMS, params) + record(PARAMS, b""))

    def send_body(self, count):
        piece = self.body[self.sent:self.sent + min(count, 65535)]
        self.socket.sendall(record(STDIN, piece))
        self.sent += len(piece)

    def end(self):
        while self.sent < len(self.body):
            self.send_body(65535)
        self.socket.sendall(record(STDIN, b""))

    def read(self):
        received = b""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                raise Broken("reset after %r" % received[:200])
            if not piece:
                break
            received += piece
        self.close()
        return Answer(self._output(received))

    def _output(self, received):
        output, at = b"", 0
        while at + 8 <= len(received):
            _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", received[at:at + 8])
            if kind == STDOUT:
                output += received[at + 8:at + 8 + length]
            if kind == END_REQUEST:
                return output
            at += 8 + length + padding
        raise Broken("no end of the request after %r" % received[:200])

    def close(self):
        self.socket.close()


def request(path, method, uri, body=b"", headers=None, params=None, timeout=20):
    asked = Request(path, method, uri, body, headers, params, timeout)
    asked.begin()
    asked.end()
    answer = asked.read()
    if client.witness:
        client.witness.answer(method, uri, answer)
    return answer
