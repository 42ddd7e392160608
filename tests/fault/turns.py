"""Turns of a Parley that is being mistreated: each watched by a client of its own, then held against what is stored.

    crowd = [Turn(user, words(50)) for _ in range(8)]
    ...                                           # kill something
    for turn in finished(crowd):
        ...                                       # turn.seen, turn.last, turn.how
    rows = stored(parley, crowd)                  # by session: status, content, question, ...

A turn has its session from the start, so that it is known even to a client that got no answer, and which relay it goes to.
"""
import collections
import contextlib
import http.client
import os
import re
import signal
import threading
import time

from people import run_sql
from sse import Stream, chat, words

LEASE = 20  # seconds without a sign of life after which a turn reads as interrupted
RUNNING = "streaming"
Row = collections.namedtuple("Row", "status error_code content question last_event_id lease")


class Turn(threading.Thread):
    """A text that is sent, and the client that reads its answer to the end."""

    def __init__(self, user, text, session=None, headers=None, start=True):
        super().__init__(daemon=True)
        self.user, self.text = user, text
        self.session = session or user.session()
        self.headers = headers
        self.stream = None
        self.how = None  # the reading ended in good order when None, else by this error
        self.over_at = None
        if start:
            self.start()

    def run(self):
        try:
            self.stream = Stream(self.user, "POST", "/api/v1/chat", {"text": self.text, "session_id": self.session}, self.headers,
                                 timeout=120)
            self.read()
        except (OSError, http.client.HTTPException) as error:
            self.how = error
        self.over_at = time.monotonic()

    def read(self):
        self.stream.rest()

    @property
    def status(self):
        """Of the answer; 0: there was none."""
        return self.stream.status if self.stream else 0

    @property
    def events(self):
        return list(self.stream.events) if self.stream else []

    @property
    def seen(self):
        return "".join(event.content for event in self.events)

    @property
    def last(self):
        """How it ended for the client: the event that says so, or None."""
        events = self.events
        return events[-1].json if events and events[-1].type in ("done", "error") else None

    @property
    def code(self):
        """done, an error's code, or None when the client was told no end."""
        return self.last and (self.last["type"] if self.last["type"] == "done" else self.last["code"])

    def wait_for_text(self, length=1, timeout=30):
        until(lambda: len(self.seen) >= length or not self.is_alive(), timeout, "an answer that begins")

    def unsaved_since(self, row):
        """When the client got the first text that is not stored; None: all is."""
        length = 0
        for event in self.events:
            length += len(event.content)
            if length > len(row.content):
                return event.at
        return None


def until(condition, timeout=30, what="it"):
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen in {timeout} s"
        time.sleep(0.01)


def finished(turns, timeout=60):
    """The turns, when every client has read to its end."""
    deadline = time.monotonic() + timeout
    for turn in turns:
        turn.join(max(0, deadline - time.monotonic()))
        assert not turn.is_alive(), f"a client still reads after {timeout} s: {turn.events[-1:]}"
    return turns


def stored(parley, turns):
    """What the database has of each session's newest turn, by session; None where no turn is stored. Of a turn that runs the text is what was saved so
    far."""
    sessions = [turn.session for turn in turns]
    rows = run_sql(parley, """
        select distinct on (t.session_id) t.session_id::text, t.status, t.error_code,
            case t.status when 'streaming' then parley.turn_text(t.user_id, t.turn_id) else m.content end, q.content, t.last_event_id,
            extract(epoch from t.lease_until - clock_timestamp())::float
        from parley.turns t
        join parley.chat_messages m on m.user_id = t.user_id and m.message_id = t.message_id
        join parley.chat_messages q on q.user_id = t.user_id and q.message_id = t.user_message_id
        where t.session_id = any(%s::uuid[]) order by t.session_id, t.turn_id desc""", sessions)
    found = {row[0]: Row(*row[1:]) for row in rows}
    return {session: found.get(session) for session in sessions}


def expire(parley, turns):
    """What waiting for the end of the leases does, for turns that nobody runs any more."""
    run_sql(parley, "update parley.turns set lease_until = clock_timestamp() - interval '1 second' "
                    "where session_id = any(%s::uuid[]) and status = 'streaming'", [turn.session for turn in turns])


def answer_of(turn):
    """The newest message of a turn's session, as the API tells it."""
    answer = turn.user.get(f"/api/v1/sessions/{turn.session}/messages?limit=2")
    assert answer.status == 200, answer
    return answer.json[-1]


class Places:
    """Sessions by the relay that their turns go to: always the same, or that which took its place. It is found by the descriptor that a client
    costs."""

    def __init__(self, user, relays):
        self.user, self.relays = user, relays  # the pids, in an order that stays
        self.known = [[] for _ in relays]

    def session_at(self, place):
        """A session whose turns go there."""
        while not self.known[place]:
            session = self.user.session()
            self.known[self._find(session)].append(session)
        return self.known[place].pop()

    def _find(self, session):
        while True:
            before = [count_descriptors(pid) for pid in self.relays]
            with chat(self.user, words(100), session_id=session) as turn:
                grown = [place for place, pid in enumerate(self.relays) if count_descriptors(pid) > before[place]]
                assert self.user.post(f"/api/v1/sessions/{session}/stop").status == 202
                turn.rest()
            if len(grown) == 1:
                return grown[0]


def count_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def own_memory(pid):
    """Bytes of memory that are this process' own part (PSS)."""
    with open(f"/proc/{pid}/smaps_rollup") as smaps:
        return int(re.search(r"^Pss:\s+(\d+) kB", smaps.read(), re.M).group(1)) * 1024


@contextlib.contextmanager
def stopped(*pids):
    """Processes that are frozen for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Asking(threading.Thread):
    """Somebody who lists their sessions and appends messages all the time; `slow` are the seconds of each request, in order."""

    def __init__(self, user, pause=0.005):
        super().__init__(daemon=True)
        self.user, self.pause = user, pause
        self.took, self.failures = [], []
        self.going = True

    def __enter__(self):
        self.session = self.user.session()
        self.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.join(60)

    def run(self):
        while self.going:
            begun = time.monotonic()
            try:
                answer = self.user.get("/api/v1/sessions?limit=20") if len(self.took) % 2 else \
                    self.user.post(f"/api/v1/sessions/{self.session}/messages", {"role": "user", "content": "once more"})
                if answer.status not in (200, 201):
                    self.failures.append(repr(answer))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            self.took.append(time.monotonic() - begun)
            time.sleep(self.pause)


def percentile(numbers, share):
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))]


def quick(user, text="one two three"):
    """A short turn from start to end."""
    turn, = finished([Turn(user, text)])
    assert turn.code == "done" and turn.seen == text, (turn.how, turn.events, turn.stream and turn.stream.answer)
    return turn
