"""A TCP proxy that cuts connections: each after so many bytes of the answer's body, then never again.

    with Cutter(parley.port, [200, 1000, 0]) as cutter:
        ... cutter.port                           # the fourth connection is left alone
    cutter.requests                               # the heads of the requests that came, in order

reset: with a reset instead of an orderly end. whole: never inside an event of a stream, but behind the one that the place lies in.
"""
import socket
import struct
import threading


class Cutter:
    def __init__(self, port, cuts, reset=False, whole=False):
        self.target, self.cuts, self.reset, self.whole = port, list(cuts), reset, whole
        self.requests = []
        self.cut = 0  # connections that were
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        self.lock = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.open += [client, server]
            with self.lock:
                limit = self.cuts.pop(0) if self.cuts else None
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, server, limit), daemon=True).start()

    def _ask(self, client, server):
        head = b""
        try:
            while data := client.recv(65536):
                if b"\r\n\r\n" not in head:
                    head += data
                    if b"\r\n\r\n" in head:
                        self.requests.append(head.partition(b"\r\n\r\n")[0].decode())
                server.sendall(data)
        except OSError:
            pass

    def _answer(self, client, server, limit):
        """Lets through the head of the answer and as much of what follows as the limit says."""
        head, body, passed = b"", b"", 0
        try:
            while data := server.recv(65536):
                if b"\r\n\r\n" not in head:
                    head, found, body = (head + data).partition(b"\r\n\r\n")
                    if not found:
                        continue
                    head += found
                    client.sendall(head)
                else:
                    body += data
                end = None if limit is None else self._place(body, limit)
                client.sendall(body[passed:end])
                passed = len(body)
                if end is not None:
                    self._cut(client, server)
                    return
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _place(self, body, limit):
        """Where the body is to be cut; None: further on."""
        if len(body) < limit:
            return None
        if not self.whole or not limit:
            return limit
        end = body.find(b"\n\n", limit - 1)
        return end + 2 if end >= 0 else None

    def _cut(self, client, server):
        self.cut += 1
        if self.reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for connection in (client, server):
            try:
                # Who waits for more is woken, else the connection would not be closed before.
                connection.shutdown(socket.SHUT_RD if self.reset else socket.SHUT_RDWR)
                connection.close()
            except OSError:
                pass
