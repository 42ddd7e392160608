"""The loads: wrk on prepared HTTP requests, pgbench on the transaction that the same request makes; and what processes used of the processors."""
import base64
import hashlib
import hmac
import json
import os
import random
import re
import subprocess
import time

from data import PROSE, SESSIONS, identifier
from postgres import SQL, program

HERE = os.path.dirname(os.path.abspath(__file__))
REQUESTS = 4000
LIST = 20
PAGE = 50
GROUP = 64  # users of one pgbench script
CONTENT = PROSE[:250]
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

ID = "('00000000-0000-7000-8000-' || lpad(:{}::text, 12, '0'))::uuid"
USER, SESSION = ID.format("user"), ID.format("session")

# A variable that was never set reaches the server as NULL. One row more than a list or page shows is asked for, as Parley does.
KINDS = {
    "list": ("BEGIN READ ONLY", [("session_list", (USER, ":shown", ":before", ":last"), LIST + 1)]),
    "page": ("BEGIN READ ONLY", [("message_session", (USER, SESSION), 1),
                                 ("message_last", (USER, SESSION, ":shown"), PAGE + 1)]),
    "append": ("BEGIN", [("message_append", (USER, SESSION, "gen_random_uuid()", ":role", ":content", ":none", ":none", ":none", ":none"),
                          1)]),
}
SHOWN = {"list": LIST + 1, "page": PAGE + 1, "append": 0}


def read_queries():
    """The named queries of the product, as it builds them in."""
    queries = {}
    folder = os.path.join(SQL, "queries")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            for part in file.read().split("-- name: ")[1:]:
                title, _, text = part.partition("\n")
                queries[title.strip()] = re.sub(r"^--.*\n", "", text, flags=re.M).strip().rstrip(";")
    return queries


# HTTP

def token(secret, user, seconds=86400):
    """An access token as Parley makes it."""
    now = int(time.time())
    claims = {"sub": identifier(user), "iss": "parley", "aud": "parley", "iat": now, "nbf": now, "exp": now + seconds}
    text = _base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + _base64url(json.dumps(claims, separators=(",", ":")).encode())
    return text + "." + _base64url(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))


def _base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def write_requests(path, kind, users, secret):
    """A file of requests, each of a random user for a random session of theirs."""
    chance = random.Random(kind)
    tokens = {user: token(secret, user) for user in users}
    body = json.dumps({"role": "user", "content": CONTENT}, ensure_ascii=False).encode()
    with open(path, "wb") as file:
        for _ in range(REQUESTS):
            user = chance.choice(users)
            session = identifier(user * 1000 + chance.randint(1, SESSIONS))
            line = {"list": f"GET /api/v1/sessions?limit={LIST}",
                    "page": f"GET /api/v1/sessions/{session}/messages?limit={PAGE}",
                    "append": f"POST /api/v1/sessions/{session}/messages"}[kind]
            more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if kind == "append" else ""
            file.write(f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens[user]}\r\n{more}\r\n".encode())
            file.write((body if kind == "append" else b"") + b"\0")


def wrk(port, requests, seconds, connections):
    """Requests a second and latencies of one run; anything but a 2xx answer is an error."""
    done = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "requests.lua"),
                           f"http://127.0.0.1:{port}", "--", requests], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError("wrk: " + done.stdout + done.stderr)
    result = json.loads(done.stdout.splitlines()[-1])
    if result["refused"] or result["broken"] or not result["requests"]:
        raise RuntimeError(f"port {port}, {os.path.basename(requests)}: {result}")
    return {"rate": result["requests"] / result["seconds"], "requests": result["requests"],
            "p50": result["p50"], "p99": result["p99"]}


# pgbench

def _claim(users, low=0):
    """The claim of user number :k of a script, found by halving: SET takes no parameters, so each user needs a statement of their own."""
    if len(users) == 1:
        return f"\\set user {users[0]}\nSET LOCAL parley.user_id = '{identifier(users[0])}';\n"
    half = len(users) // 2
    return (f"\\if :k < {low + half}\n{_claim(users[:half], low)}\\else\n{_claim(users[half:], low + half)}\\endif\n")


def _statement(query, values, rows, proves):
    text = re.sub(r"\$(\d+)", lambda match: values[int(match[1]) - 1], query)
    return f"select 1 / (count(*) = {rows})::int from (\n{text}\n) answer;\n" if proves else text + ";\n"


def _script(kind, users, queries, proves):
    begin, statements = KINDS[kind]
    return (f"\\set k random(0, {len(users) - 1})\n\\set number random(1, {SESSIONS})\n\\startpipeline\n{begin};\n{_claim(users)}"
            + "\\set session :user * 1000 + :number\n"
            + "".join(_statement(queries[name], values, rows, proves) for name, values, rows in statements)
            + "COMMIT;\n\\endpipeline\n")


class Pgbench:
    """The transaction of one kind of request. proves=True makes scripts that fail unless every query gives the rows it should: policies that
    hide them would make it fast."""

    def __init__(self, folder, kind, users, proves=False):
        queries = read_queries()
        self.kind = kind
        self.files = []
        for i in range(0, len(users), GROUP):
            self.files.append(os.path.join(folder, f"{kind}-{'proof' if proves else 'load'}-{i}.sql"))
            with open(self.files[-1], "w") as file:
                file.write(_script(kind, list(users[i:i + GROUP]), queries, proves))

    def run(self, postgres, clients, *duration):
        variables = {"shown": SHOWN[self.kind], "before": "infinity", "last": LAST_ID, "role": "user", "content": CONTENT}
        done = subprocess.run([program("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j2", *duration,
                               *[word for name, value in variables.items() for word in ("-D", f"{name}={value}")],
                               *[word for path in self.files for word in ("-f", path)]],
                              env=postgres.env("parley_app"), capture_output=True, text=True, check=False)
        rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
        if done.returncode or not rate or not re.search(r"failed transactions: 0 ", done.stdout):
            raise RuntimeError(f"pgbench {self.kind}: {done.stdout[:3000]}{done.stderr[:3000]}")
        processed = re.search(r"actually processed: (\d+)", done.stdout)
        return {"rate": float(rate[1]), "requests": int(processed[1])}
