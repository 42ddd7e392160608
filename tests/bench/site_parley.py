"""A Parley on a data set, and beside it what it is measured against, behind the same nginx."""
import contextlib
import http.client
import os
import subprocess
import time

from load import KINDS, Pgbench, token, write_requests, wrk
from parley import Parley, free_port
from postgres import UNPRIVILEGED


class Site(Parley):
    """rivals: by their names, functions that make a Rival for this site."""

    def __init__(self, postgres, workers, rivals):
        # Requests are counted, as always; the limit is never met.
        super().__init__({"workers": workers, "quota_requests_per_minute": 100000000}, postgres)
        self.data = postgres.data_set
        self.wanted = workers
        self.secret = os.urandom(32).hex()
        self.token = token(self.secret, 1)
        self.ports = {"parley": self.port, **{name: free_port() for name in rivals}}
        self._makers = rivals
        self._rivals = {}
        self._running = {}
        self._pgbench = {}

    def __enter__(self):
        with open(os.path.join(self.folder, "jwt.secret"), "w") as file:
            file.write(self.secret)
        super().__enter__()
        try:
            for name, rival in self._rivals.items():
                self._start_rival(name, rival)
            for kind in KINDS:
                write_requests(self._requests(kind), kind, self.data.sample, self.secret)
                Pgbench(self.folder, kind, self.data.sample, proves=True).run(self.postgres, 1, "-t", "50")
                self._pgbench[kind] = Pgbench(self.folder, kind, self.data.sample)
        except BaseException:
            self._end()
            raise
        return self

    # Measuring

    def _requests(self, kind):
        return os.path.join(self.folder, kind + ".requests")

    def measure(self, name, kind, seconds, connections):
        """One run of one kind of request."""
        if name == "pgbench":
            return self._pgbench[kind].run(self.postgres, self.wanted, "-T", str(seconds))
        return wrk(self.ports[name], self._requests(kind), seconds, connections)

    def processes(self, name):
        """The first process of every part that works when name is measured."""
        pids = {"postgres": self.postgres.process.pid}
        if name != "pgbench":
            pids["nginx"] = self.nginx.pid
            pids["program"] = self.master.pid if name == "parley" else self._running[name].pid
        return pids

    def time_start(self):
        """Seconds from the start of the program to its first answer that needed the database."""
        self.stop()
        begun = time.monotonic()
        self.start()
        while not self._answers("parley"):
            if time.monotonic() > begun + 30:
                raise RuntimeError("parley does not answer:\n" + self.log_tail())
            time.sleep(0.001)
        return time.monotonic() - begun

    def _answers(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/api/v1/sessions?limit=20", headers={"Authorization": "Bearer " + self.token})
            return connection.getresponse().status == 200
        return False

    # Rivals

    def _nginx_conf(self):
        """The shipped site, and one for each rival with the same headers."""
        self._rivals = {name: make(self) for name, make in self._makers.items()}
        with open(os.path.join(self.folder, "rivals.conf"), "w") as conf:
            for name, rival in self._rivals.items():
                conf.write(f"{rival.context}server {{\n    listen 127.0.0.1:{self.ports[name]} backlog=4096;\n"
                           "    server_tokens off;\n    client_max_body_size 2m;\n    include parley/headers.conf;\n"
                           f"    location / {{\n{rival.location}\n    }}\n}}\n")
        site = "include parley/parley.conf;"
        return super()._nginx_conf().replace(site, f"{site} include {self.folder}/rivals.conf;")

    def _start_rival(self, name, rival):
        with open(os.path.join(self.folder, name + ".out"), "ab") as out:
            self._running[name] = subprocess.Popen([*UNPRIVILEGED, *rival.command], cwd=self.folder, stdin=subprocess.DEVNULL,
                                                   env={**self.environment(), **rival.environment}, stdout=out, stderr=out,
                                                   start_new_session=True)
        deadline = time.monotonic() + 30
        while not self._answers(name):
            if time.monotonic() > deadline or self._running[name].poll() is not None:
                with open(os.path.join(self.folder, name + ".out")) as out:
                    raise RuntimeError(f"{name} does not answer:\n{out.read()[-2000:]}")
            time.sleep(0.05)

    def _end(self):
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(30)
        self._running = {}
        super()._end()
