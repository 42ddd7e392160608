"""What only the web server can do, done by somebody who is not the web server: anything at all on the FastCGI socket.

Whatever comes, no connection serves two requests, no worker is lost for long, and others are answered meanwhile.
"""
import contextlib
import json
import os
import random
import socket
import struct
import threading
import time

import pytest

import fastcgi
from fastcgi import BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, record
from load import people, until
from parley import Parley
from wire import Wire

WORKERS = 4
GET_VALUES, ABORT_REQUEST = 9, 2
BEGIN_KEEP, BEGIN = struct.pack("!HB5x", 1, 1), struct.pack("!HB5x", 1, 0)


@pytest.fixture(scope="module")
def parley(postgres):
    with Parley({"workers": WORKERS}, postgres=postgres) as running:
        until(lambda: len(running.workers()) == WORKERS, what="all workers")
        yield running


@pytest.fixture(autouse=True)
def unharmed(parley):
    """After each test there are as many workers as before, they have no more descriptors open, and the service answers."""
    for _ in range(10 * WORKERS):
        fastcgi.request(parley.socket, "GET", "/readyz")
    before = max(map(count_descriptors, parley.workers()))
    yield
    until(lambda: len(parley.workers()) == WORKERS, what="as many workers as before")
    for _ in range(20):
        assert fastcgi.request(parley.socket, "GET", "/readyz").status == 200
    assert max(map(count_descriptors, parley.workers())) <= before


def count_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def params(**values):
    return b"".join(fastcgi.pair(name, value) for name, value in values.items())


def whole_request(uri, method="GET", keep=False, identifier=1, **more):
    """The records of a request without a body."""
    records = (record(BEGIN_REQUEST, BEGIN_KEEP if keep else BEGIN)
               + record(PARAMS, params(REQUEST_METHOD=method, REQUEST_URI=uri, **more)) + record(PARAMS, b"") + record(STDIN, b""))
    return records if identifier == 1 else records.replace(b"\1\1\0\1", b"\1\1" + struct.pack("!H", identifier))


def exchange(path, data, close=False, timeout=20):
    """Sends bytes and answers all that come back until the other side closes."""
    received = b""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(timeout)
        peer.connect(path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(data)
            if close:
                peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := peer.recv(65536):
                received += piece
    return received


def count_answers(received):
    """How many requests were answered: ended as served, not as refused by the library because another one is under way."""
    answers, at = 0, 0
    while at + 8 <= len(received):
        _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", received[at:at + 8])
        answers += kind == END_REQUEST and received[at + 12:at + 13] == b"\0"
        at += 8 + length + padding
    return answers


def requests_in_log(parley, text):
    return sum("event=request " in line and text in line for line in parley.log_text().splitlines())


# Nonsense

def test_garbage_is_dropped_and_costs_no_worker(parley):
    workers = parley.workers()
    chance = random.Random(1)
    for number in range(200):
        data = chance.randbytes(chance.choice((1, 7, 8, 9, 100, 5000)))
        if number % 2:  # the right version, so that it is read further
            data = b"\1" + data[1:]
        exchange(parley.socket, data, close=True)
    for data in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\1\1\0\1", b"\0" * 100, b"\xff" * 5000):
        assert count_answers(exchange(parley.socket, data, close=True)) == 0
    assert parley.workers() == workers


def test_a_request_cut_anywhere_is_not_served(parley):
    workers = parley.workers()
    whole = (record(BEGIN_REQUEST, BEGIN) + record(PARAMS, params(REQUEST_METHOD="GET", REQUEST_URI="/cut", HTTP_COOKIE="x" * 300))
             + record(PARAMS, b""))
    for end in [*range(0, 60, 3), *range(60, len(whole) - 8, 17), len(whole) - 9, len(whole) - 8, len(whole) - 1]:
        assert exchange(parley.socket, whole[:end], close=True) == b""
    assert requests_in_log(parley, "path=/cut") == 0
    assert parley.workers() == workers


def test_a_body_of_another_length_is_refused(parley):
    person = people(parley, 1)[0]
    said = json.dumps({"role": "user", "content": "never"}).encode()
    for claimed in (len(said) - 1, len(said) + 1, 10 * len(said)):
        answer = fastcgi.request(parley.socket, "POST", f"/api/v1/sessions/{person.session}/messages", said,
                                 {"Authorization": "Bearer " + person.token}, {"CONTENT_LENGTH": str(claimed)})
        assert answer.status == 400
    with contextlib.closing(fastcgi.Request(parley.socket, "POST", f"/api/v1/sessions/{person.session}/messages", said,
                                            {"Authorization": "Bearer " + person.token})) as half:
        half.begin()
        half.send_body(10)
    assert Wire(parley.port).ask("GET", f"/api/v1/sessions/{person.session}/messages", person.token).json == []


@pytest.mark.parametrize("lengths", [b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x80\0\0\0\xff\xff\xff\xff", b"\xff\xff\xff\xf0\x20",
                                     b"\xc0\0\0\0\xc0\0\0\0", b"\x7f\xff\xff\xff\xff", b"\x90\0\0\0\0"])
def test_parameters_of_giant_lengths_cost_a_worker_at_most(parley, lengths):
    data = record(BEGIN_REQUEST, BEGIN) + record(PARAMS, lengths + b"x" * 60000) + record(PARAMS, b"") + record(STDIN, b"")
    with parley.expecting("died", "sanitizer"):
        assert count_answers(exchange(parley.socket, data, close=True)) == 0
        until(lambda: len(parley.workers()) == WORKERS, what="as many workers as before")


def test_questions_about_the_library_cost_a_worker_at_most(parley):
    """FCGI_GET_VALUES: with more known names than its answer has room for."""
    names = ("FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS")
    with parley.expecting("died", "sanitizer"):
        for count in (1, 3, 4, 30, 3000):
            question = b"".join(fastcgi.pair(names[i % 3], "") for i in range(count))[:65535]
            head = struct.pack("!BBHHBB", 1, GET_VALUES, 0, len(question), 0, 0)
            exchange(parley.socket, head + question, close=True)
            assert count_answers(exchange(parley.socket, head + question + whole_request("/healthz"), close=True)) <= 1
            assert fastcgi.request(parley.socket, "GET", "/healthz").status == 200
        until(lambda: len(parley.workers()) == WORKERS, what="as many workers as before")


def test_a_flood_of_parameters_is_bounded(parley):
    """More parameters than anybody needs, and a body that does not end: dropped, and the memory comes back."""
    workers = parley.workers()
    many = b"".join(fastcgi.pair(f"HTTP_X_{i}", "y" * 50) for i in range(900))
    flood = record(BEGIN_REQUEST, BEGIN) + record(PARAMS, params(REQUEST_METHOD="GET", REQUEST_URI="/healthz"))
    received = exchange(parley.socket, flood + record(PARAMS, many) * 100 + record(PARAMS, b"") + record(STDIN, b""))
    assert count_answers(received) <= 1
    endless = record(BEGIN_REQUEST, BEGIN) + record(PARAMS, params(REQUEST_METHOD="POST", REQUEST_URI="/api/v1/auth/login",
                                                                   CONTENT_TYPE="application/json", CONTENT_LENGTH="10"))
    received = exchange(parley.socket, endless + record(PARAMS, b"") + record(STDIN, b"z" * 65535) * 1200)
    assert count_answers(received) <= 1
    assert parley.workers() == workers
    assert max(map(resident_megabytes, workers)) < 60


def resident_megabytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


# Two requests on one connection

def test_a_second_request_on_a_connection_is_never_served(parley):
    for keep in (False, True):
        data = whole_request("/healthz", keep=keep) + whole_request("/second", keep=keep) + whole_request("/third", identifier=2)
        received = exchange(parley.socket, data)
        assert count_answers(received) <= 1
    assert requests_in_log(parley, "path=/second") == requests_in_log(parley, "path=/third") == 0


def test_a_request_inside_an_unread_body_is_never_served(parley):
    """The body of a request that is answered before its body is read holds another request, with rights of the sender's choice. The web server
    would pass it on as it is."""
    person = people(parley, 1)[0]
    forged = whole_request("/api/v1/users/me", "DELETE", HTTP_AUTHORIZATION="Bearer " + person.token) + whole_request("/forged")
    refusals = [
        {"REQUEST_URI": "/nothing/here"},
        {"REQUEST_URI": "/api/v1/sessions"},
        {"REQUEST_URI": "/api/v1/auth/login", "CONTENT_TYPE": "text/plain"},
        {"REQUEST_URI": "/api/v1/auth/login", "CONTENT_LENGTH": "99999999"},
        {"REQUEST_URI": "/api/v1/auth/login", "CONTENT_LENGTH": "many"},
        {"REQUEST_URI": "/healthz"},
    ]
    for keep in (BEGIN, BEGIN_KEEP):
        for refusal in refusals:
            asked = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(forged)), **refusal}
            head = record(BEGIN_REQUEST, keep) + record(PARAMS, params(**asked)) + record(PARAMS, b"")
            for body in (record(STDIN, forged), record(STDIN, forged) * 100, record(STDIN, b"x") + forged, forged,
                         record(STDIN, b"") + forged):
                received = exchange(parley.socket, head + body + record(STDIN, b""))
                assert count_answers(received) <= 1
    assert requests_in_log(parley, "path=/forged") == 0
    assert requests_in_log(parley, "path=/api/v1/users/me") == 0
    assert Wire(parley.port).ask("GET", "/api/v1/users/me", person.token).status == 200


def test_records_out_of_order_get_one_answer_at_most(parley):
    head = record(BEGIN_REQUEST, BEGIN)
    uri = record(PARAMS, params(REQUEST_METHOD="GET", REQUEST_URI="/healthz"))
    abort = record(ABORT_REQUEST, b"")
    strange = record(77, b"what is this")
    filter_role, no_role = (record(BEGIN_REQUEST, struct.pack("!HB5x", role, 0)) for role in (3, 9))
    for data in (head + head + uri + record(PARAMS, b"") + record(STDIN, b""), head + abort, head + uri + abort,
                 abort + head + uri + record(PARAMS, b""), head + strange + uri + record(PARAMS, b"") + record(STDIN, b""),
                 uri + head, record(STDIN, b"") + head, filter_role + uri + record(PARAMS, b"") + record(STDIN, b""),
                 no_role + uri + record(PARAMS, b"") + record(STDIN, b""), head + record(PARAMS, b"") + record(STDIN, b""),
                 head + uri + record(PARAMS, b"") + abort + uri):
        assert count_answers(exchange(parley.socket, data, close=True)) <= 1


# Silence

def silent_peers(parley, count):
    """Peers that hold a worker each: they say nothing, stop in the middle, or do not read their answer."""
    person = people(parley, 1)[0]
    said = json.dumps({"role": "user", "content": "x" * 250_000}).encode()
    for _ in range(8):
        assert Wire(parley.port).ask("POST", f"/api/v1/sessions/{person.session}/messages", person.token, said).status == 201
    kinds = [b"", record(BEGIN_REQUEST, BEGIN)[:5],
             whole_request(f"/api/v1/sessions/{person.session}/messages?limit=100", HTTP_AUTHORIZATION="Bearer " + person.token),
             record(BEGIN_REQUEST, BEGIN) + record(PARAMS, params(REQUEST_METHOD="POST", REQUEST_URI="/api/v1/auth/login",
                                                                  CONTENT_TYPE="application/json", CONTENT_LENGTH="10"))
             + record(PARAMS, b"") + record(STDIN, b"12345")]
    peers = contextlib.ExitStack()
    for number in range(count):
        peer = peers.enter_context(socket.socket(socket.AF_UNIX))
        peer.connect(parley.socket)
        peer.sendall(kinds[number % len(kinds)])
    return peers


def test_silent_peers_hold_a_worker_each_and_not_for_ever(parley):
    workers = parley.workers()
    with silent_peers(parley, WORKERS - 1):
        time.sleep(0.2)
        begin = time.monotonic()
        for _ in range(50):
            assert fastcgi.request(parley.socket, "GET", "/healthz").status == 200
        assert time.monotonic() - begin < 5
        # One more, and everybody waits until the first is given up.
        with silent_peers(parley, 1):
            asked = [threading.Thread(target=fastcgi.request, args=(parley.socket, "GET", "/readyz"), kwargs={"timeout": 60})
                     for _ in range(10)]
            for thread in asked:
                thread.start()
            for thread in asked:
                thread.join(40)
            assert not any(thread.is_alive() for thread in asked)
    assert parley.workers() == workers
