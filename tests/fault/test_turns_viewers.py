"""Clients that leave, that read slowly, and that wait by the hundred for a model that says nothing: no answer suffers, and nobody else."""
import contextlib
import http.client
import io
import json
import random
import resource
import socket
import statistics
import struct
import time

from load import is_alive
from model import WORDS, Model
from parley import Parley
from people import person, run_sql
from sse import Parser, Stream, chat, words
from turns import Turn, count_descriptors, finished, own_memory, percentile, stored, until
from wire import request_bytes

FREE = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "log_level": "warn", "workers": 4}
MANY = 500
BIG = 10 << 20


# Clients that leave

class Leaver(Turn):
    """A client that leaves in the middle: after so many seconds, in order or with a reset."""

    def __init__(self, user, text, after, reset):
        self.after, self.reset = after, reset
        super().__init__(user, text)

    def run(self):
        begin = time.monotonic()
        try:
            self.stream = Stream(self.user, "POST", "/api/v1/chat", {"text": self.text, "session_id": self.session})
            while time.monotonic() - begin < self.after and self.stream.next():
                pass
            self.stream.close(reset=self.reset)
        except OSError as error:
            self.how = error


def hang_up(user):
    """Sends a text and leaves without a look at the answer. Answers the session."""
    session = user.session()
    with socket.create_connection(("127.0.0.1", user.port)) as client:
        body = json.dumps({"text": words(60), "session_id": session}).encode()
        client.sendall(request_bytes("POST", "/api/v1/chat", user.token, body))
        time.sleep(random.choice((0, 0.001, 0.003, 0.01)))
        if random.random() < 0.5:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return session


def at_rest(parley, user, pid):
    """Descriptors and memory of a relay that holds no turn."""
    until(lambda: not run_sql(parley, "select 1 from parley.turns where user_id = %s and status = 'streaming' limit 1", user.user_id),
          what="the end of all turns")
    time.sleep(0.3)
    return count_descriptors(pid), own_memory(pid)


def leave_all(user, count):
    turns = [Leaver(user, words(60, f"x{number}y"), random.uniform(0, 1.5), random.random() < 0.5) for number in range(count)]
    finished(turns)
    assert not any(turn.how for turn in turns), [turn.how for turn in turns if turn.how][:3]
    return turns


def test_clients_that_leave_cost_no_answer_and_leave_nothing_behind(postgres):
    with Parley({**FREE, "relays": 1}, postgres=postgres) as parley:
        user = person(parley)
        relay, = parley.relays()
        leave_all(user, 80)
        descriptors, memory = at_rest(parley, user, relay)
        turns = [turn for _ in range(2) for turn in leave_all(user, 80)]
        unseen = [hang_up(user) for _ in range(40)]
        after = at_rest(parley, user, relay)
        rows = stored(parley, turns)
        bad = [(rows[turn.session], turn.seen) for turn in turns if rows[turn.session].content != turn.text]
        assert not bad, f"{len(bad)} of {len(turns)} answers are not whole: {bad[:3]}"
        assert {row.status for row in rows.values()} == {"complete"} and all(turn.text.startswith(turn.seen) for turn in turns)
        # The web server may have kept a text whose client was gone at once; one that came through is answered whole.
        answers = run_sql(parley, "select status, content from parley.chat_messages where session_id = any(%s::uuid[]) and role = 'assistant'",
                          unseen)
        assert set(answers) <= {("complete", words(60))}
        gone = sum(turn.code is None for turn in turns)
        print(f"{gone} of {len(turns)} clients left early, {len(unseen)} at once, of whom {len(answers)} are answered; {descriptors} "
              f"descriptors and {memory >> 10} KB before, {after[0]} and {after[1] >> 10} KB after")
        assert gone > len(turns) / 2
        assert after[0] <= descriptors and after[1] <= memory + (1 << 20)
        assert parley.relays() == [relay] and is_alive(relay)


# Many that wait

@contextlib.contextmanager
def many_descriptors():
    """For this process, which is the clients and the model, and for nginx."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def latency(user):
    """p50 and p99 of a short request, in seconds: the best of three rounds, for on a busy machine any one is spoilt by others."""
    rounds = []
    for _ in range(3):
        took = []
        for _ in range(150):
            begin = time.monotonic()
            assert user.get("/api/v1/sessions?limit=20").status == 200
            took.append(time.monotonic() - begin)
        rounds.append(took)
    return min(map(statistics.median, rounds)), min(percentile(took, 0.99) for took in rounds)


def leases(parley, user):
    """Seconds that are left of the lease of each running turn."""
    return [seconds for seconds, in run_sql(parley, "select extract(epoch from lease_until - clock_timestamp())::float from parley.turns "
                                                    "where user_id = %s and status = 'streaming'", user.user_id)]


def test_stalled_streams_slow_nobody_down_and_are_stopped_by_their_users(postgres):
    with many_descriptors(), Model() as model, Parley({**FREE, "model_url": model.url}, postgres=postgres) as parley:
        user, other = person(parley), person(parley)
        for _ in range(25):
            other.session()
        latency(other)
        before = latency(other)
        streams = [chat(user, "script:stall-mid:3") for _ in range(MANY)]
        assert [stream.status for stream in streams] == [200] * MANY
        begun = time.monotonic()
        during = latency(other)
        with chat(other, "script:slow:20:20") as live:
            live.rest()
        assert live.events[-1].type == "done"
        time.sleep(max(0, begun + 6.5 - time.monotonic()))
        left = leases(parley, user)
        assert len(left) == MANY and min(left) > 10, f"{len(left)} turns run; {min(left)} s are left of a lease"
        saved = run_sql(parley, "select count(*) from parley.turns where user_id = %s and last_event_id >= %s", user.user_id,
                        len("".join(WORDS[:3])))
        assert saved == [(MANY,)], "some of the text was not saved"
        for stream in streams:
            assert user.post(f"/api/v1/sessions/{stream.first['session_id']}/stop").status == 202
        for stream in streams:
            stream.rest()
            stream.close()
            assert (stream.text, stream.events[-1].type, stream.events[-1].json["status"]) == ("".join(WORDS[:3]), "done", "stopped")
        rows = run_sql(parley, "select t.status, m.content, count(*) from parley.turns t join parley.chat_messages m "
                               "using (user_id, message_id) where user_id = %s group by 1, 2", user.user_id)
        assert rows == [("stopped", "".join(WORDS[:3]), MANY)]
        print(f"{MANY} streams stalled: p50 {before[0] * 1e3:.1f} -> {during[0] * 1e3:.1f} ms, p99 {before[1] * 1e3:.1f} -> "
              f"{during[1] * 1e3:.1f} ms; leases had {min(left):.1f} s left at least")
        assert during[1] <= 3 * before[1] + 0.03


# Slow readers

class SlowReader:
    """A client with a small window that takes a byte now and then."""

    def __init__(self, user, text):
        self.session = user.session()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", user.port))
        body = json.dumps({"text": text, "session_id": self.session}).encode()
        self.socket.sendall(request_bytes("POST", "/api/v1/chat", user.token, body, [("Connection", "close")]))
        self.received = bytearray()

    def sip(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.received += self.socket.recv(1)
            time.sleep(0.05)

    def gulp(self):
        """All that still comes."""
        while piece := self.socket.recv(1 << 16):
            self.received += piece
        self.socket.close()

    def makefile(self, *_):
        return io.BytesIO(self.received)

    def events(self):
        """What was received, as events; a body that is cut counts as far as it goes."""
        response = http.client.HTTPResponse(self)
        response.begin()
        assert response.status == 200
        parser, events = Parser(), []
        with contextlib.suppress(http.client.IncompleteRead):
            while piece := response.read1(1 << 16):
                events += parser.feed(piece)
        return events


def test_a_slow_reader_holds_nobody_up_and_gets_everything(postgres):
    with Model() as model, Parley({**FREE, "relays": 1, "model_url": model.url}, postgres=postgres) as parley:
        user = person(parley)
        slow = SlowReader(user, f"script:big:{BIG}")
        others = [Turn(user, "script:slow:100:20") for _ in range(5)]
        slow.sip(3)
        finished(others)
        for turn in others:
            assert turn.code == "done" and turn.seen == "".join(f"w{number} " for number in range(100))
        gaps = [later.at - event.at for turn in others for event, later in zip(turn.events, turn.events[1:])]
        until(lambda: stored(parley, [slow])[slow.session].status == "complete", what="the end of the turn")
        assert len(slow.received) < 1000
        slow.gulp()
        events = slow.events()
        assert events[-1].type == "done" and "".join(event.content for event in events) == "x" * BIG
        assert [event.id for event in events] == sorted({event.id for event in events})
        assert stored(parley, [slow])[slow.session].content == "x" * BIG
        print(f"gaps of the others: p50 {statistics.median(gaps) * 1e3:.0f} ms, p99 {percentile(gaps, 0.99) * 1e3:.0f} ms, "
              f"max {max(gaps) * 1e3:.0f} ms; {len(events)} events for the slow one")
        assert max(gaps) < 1 and statistics.median(gaps) < 0.1
