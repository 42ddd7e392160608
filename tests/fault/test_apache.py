"""Turns behind Apache with mod_fcgid: conf/apache/parley.conf streams, conf/apache/htaccess gives JSON and lets poll.

That everything but turns works behind Apache stands in test_arrangements.py.
"""
import os
import shutil
import threading
import time

import pytest

from frames import stream
from parley import binary
from people import person
from postgres import ROOT, UNPRIVILEGED
from sse import Stream, watch, words
from test_arrangements import APACHE_MODULES, Apache, members, needed, title
from turns import Turn, answer_of, finished, percentile, stored, until

FILES = os.path.join(ROOT, "conf", "apache")
OPTIONS = {"quota_turns_per_minute": 0, "quota_turns_running": 0}


class Site(Apache):
    """Apache with the site file, its paths changed as a user would."""

    modules = ("mpm_event", "authz_core", "authz_host", "headers", "fcgid")

    def conf(self):
        return self.server() + self.adapted("parley.conf", {
            "<VirtualHost *:80>": f"<VirtualHost 127.0.0.1:{self.port}>",
            "/usr/local/bin/parley": binary(),
            "/etc/parley/parley.conf": self.config,
            "FcgidMinProcessesPerClass": self.environment_lines() + "    FcgidMinProcessesPerClass"})

    def adapted(self, name, changes):
        with open(os.path.join(FILES, name)) as file:
            text = file.read()
        for what, to in changes.items():
            assert what in text
            text = text.replace(what, to)
        return text

    def environment_lines(self):
        return "".join(f'FcgidInitialEnv {name} "{value}"\n' for name, value in self.environment().items()
                       if name in ("PATH", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS"))

    def server(self):
        modules = "".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n" for name in self.modules)
        return f"""{modules}
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
PidFile {self.folder}/apache.pid
Mutex file:{self.folder} default
ErrorLog {self.log}
ServerName localhost
Listen 127.0.0.1:{self.port}
DocumentRoot {self.folder}/www
FcgidIPCDir {self.folder}/fcgid
FcgidProcessTableFile {self.folder}/fcgid_shm
"""


class SingleThread(Site):
    """The site says that its front end knows one thread a person."""

    modules = (*Site.modules, "env")

    def conf(self):
        return super().conf().replace("Options +ExecCGI", "Options +ExecCGI\n    SetEnv PARLEY_SINGLE_THREAD on")


class Hosted(Site):
    """Apache that is somebody else's: only .htaccess and what lies beside it is ours."""

    modules = ("mpm_event", "authz_core", "rewrite", "fcgid")

    def conf(self):
        www = f"{self.folder}/www"
        with open(f"{www}/.htaccess", "w") as file:
            file.write(self.adapted("htaccess", {}))
        home = f"{self.folder}/home"
        os.makedirs(f"{home}/bin", exist_ok=True)
        for link, target in ((f"{home}/bin/parley", binary()), (f"{home}/parley.conf", self.config)):
            if not os.path.lexists(link):
                os.symlink(target, link)
        with open(f"{www}/parley.fcgi", "w") as file:
            file.write(self.adapted("parley.fcgi", {"/home/you/parley": home}))
        os.chmod(f"{www}/parley.fcgi", 0o755)
        if UNPRIVILEGED:
            for path in (www, f"{www}/.htaccess", f"{www}/parley.fcgi"):
                shutil.chown(path, "nobody", "nogroup")
        return self.server() + f"""{self.environment_lines()}
<Directory {www}>
    AllowOverride AuthConfig FileInfo Options
    Require all granted
</Directory>
"""


def apache(kind, postgres):
    needed("apache2", "apache2-bin")
    if not os.path.exists(f"{APACHE_MODULES}/mod_fcgid.so"):
        pytest.skip("mod_fcgid (package libapache2-mod-fcgid) is not installed")
    return kind(OPTIONS, postgres=postgres)


@pytest.fixture(scope="module")
def site(postgres):
    with apache(Site, postgres) as running:
        yield running
        leader = running.master.pid
        running.stop()
        until(lambda: not members(leader), what="the end of all that Apache started")


@pytest.fixture(scope="module")
def hosted(postgres):
    with apache(Hosted, postgres) as running:
        yield running


# With the site file

def test_the_words_arrive_one_by_one(site):
    turn, = finished([Turn(person(site), words(50))])
    assert (turn.code, turn.seen) == ("done", turn.text)
    tokens = [event for event in turn.events if event.type == "token"]
    times = sorted({round(event.at, 3) for event in tokens})
    assert len(tokens) > 30 and len(times) > 25, "the words came together"
    assert turn.over_at - tokens[0].at > 0.7, "the first word came late"
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert percentile(gaps, 0.5) < 0.1
    print(f"{len(tokens)} events at {len(times)} moments; gaps: p50 {percentile(gaps, 0.5) * 1e3:.0f} ms, max {max(gaps) * 1e3:.0f} ms")


def test_a_second_device_is_served_by_another_process(site):
    user = person(site)
    turn = Turn(user, words(80))
    turn.wait_for_text(20)
    with watch(user, turn.session, after=0) as joined:
        joined.rest()
    assert finished([turn])[0].seen == joined.text == turn.text and joined.events[-1].type == "done"
    assert sum("parley: worker" in title(pid) for pid in members(site.master.pid)) >= 2


def test_a_stop_reaches_the_process_that_writes(site):
    user = person(site)
    turn = Turn(user, words(900))
    turn.wait_for_text(20)
    assert user.post(f"/api/v1/sessions/{turn.session}/stop").status == 202
    finished([turn], 20)
    assert turn.last["status"] == "stopped" and stored(site, [turn])[turn.session].content == turn.seen


def test_a_long_text_is_taken(site):
    user = person(site)
    text = "x" * 200_000  # more than mod_fcgid takes by itself
    assert user.say(user.session(), text)["content"] == text


def test_the_answer_is_stored_when_its_reader_leaves(site):
    """And others are served meanwhile by the processes that Apache takes for free."""
    user, other = person(site), person(site)
    sessions = [user.session() for _ in range(6)]
    for number, session in enumerate(sessions):
        with Stream(user, "POST", "/api/v1/chat", {"text": words(60), "session_id": session}) as stream:
            stream.take(5)
            stream.close(reset=number % 2)
    slow = []
    for _ in range(20):
        begun = time.monotonic()
        assert other.get("/api/v1/sessions").status == 200
        slow.append(time.monotonic() - begun)
    assert max(slow) < 0.7, "a request waited for an answer that nobody reads"
    until(lambda: all(answer_of(Left(user, session))["status"] == "complete" for session in sessions), what="the end of all answers")
    assert {answer_of(Left(user, session))["content"] for session in sessions} == {words(60)}
    print(f"requests of others meanwhile: {max(slow):.2f} s at most")


class Left:
    def __init__(self, user, session):
        self.user, self.session = user, session


def test_the_site_has_its_headers_and_keeps_its_metrics(site):
    answer = person(site).get("/api/v1/sessions")
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert site.client.get("/metrics").status == 200  # from here: this is the machine itself
    assert site.client.get("/api/v1/a%2Fb").problem == "not_found"


# With .htaccess only

def test_without_the_site_file_one_json_answer_comes(hosted):
    turn, = finished([Turn(person(hosted), words(30), headers={"Accept": "application/json"})])
    assert turn.status == 200 and turn.stream.answer.json["content"] == turn.text
    assert stored(hosted, [turn])[turn.session].content == turn.text


def test_without_the_site_file_the_answer_can_be_watched_by_polling(hosted):
    user = person(hosted)
    turn = Turn(user, words(120), headers={"Accept": "application/json"})
    events, looks = [], []
    until(lambda: stored(hosted, [turn])[turn.session], what="its start")
    while not events or events[-1]["type"] != "done":
        answer = user.get(f"/api/v1/sessions/{turn.session}/events?after={events[-1]['id'] if events else 0}")
        assert answer.status == 200
        events += answer.json
        looks.append(len(answer.json))
        time.sleep(0.1)
    assert "".join(event["content"] for event in events if event["type"] == "token") == turn.text
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    assert sum(map(bool, looks)) >= 3, "all came at once"
    assert finished([turn])[0].stream.answer.json["content"] == turn.text


def test_without_the_site_file_streams_are_whole_if_late(hosted):
    turn, = finished([Turn(person(hosted), words(20))])
    assert (turn.code, turn.seen) == ("done", turn.text)


def test_without_the_site_file_the_answer_is_stored_when_its_reader_leaves(hosted):
    user = person(hosted)
    session = user.session()

    def leave():
        with pytest.raises(OSError):
            Stream(user, "POST", "/api/v1/chat", {"text": words(60), "session_id": session}, timeout=0.3)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    until(lambda: answer_of(Left(user, session))["status"] == "complete", what="the end of the answer")
    assert answer_of(Left(user, session))["content"] == words(60)


def test_nothing_beside_the_wrapper_can_be_fetched(hosted):
    for path in ("/parley.fcgi", "/.htaccess", "/../home/parley.conf", "/"):
        answer = hosted.client.get(path)
        assert answer.status in (400, 401, 404) and b"jwt_secret" not in answer.body and b"exec" not in answer.body, (path, answer)


# With a word of the site's own

def test_a_site_says_what_its_front_end_knows(postgres):
    with apache(SingleThread, postgres) as running:
        user = person(running)
        told = stream(user, words(10))
        assert (told.text, told.thread) == (words(10), "user-" + user.user_id)
