"""What up.sh and down.sh say and leave alone; nothing is built or started here."""
import fcntl
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import rootly

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UP = os.path.join(ROOT, "conf", "up.sh")
DOWN = os.path.join(ROOT, "conf", "down.sh")
PARLEY = os.path.join(ROOT, "conf", "parley.sh")


@pytest.fixture
def folder():
    """Its path is short: a socket's path in it has to fit."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="s-"))
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", path], check=True)
    shutil.rmtree(path)


def run(*command, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG", "SUDO_"))}
    return subprocess.run(command, cwd="/", env={**kept, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def test_root_leaves_the_folders_that_were_there_as_they_are(folder):
    for mode in (0o1777, 0o700):
        folder.chmod(mode)
        run("timeout", "5", UP, "--detach", "--no-apt", PARLEY_STATE=str(folder / "new" / "state"), **rootly.environment())
        assert stat.S_IMODE(folder.stat().st_mode) == mode
        assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o755


def test_a_folder_of_other_things_is_not_taken(folder):
    (folder / "letters").write_text("dear")
    done = run(UP, "--no-apt", PARLEY_STATE=str(folder))
    assert done.returncode == 1 and "holds other things" in done.stdout
    assert [entry.name for entry in folder.iterdir()] == ["letters"]
    done = run(UP, "--no-apt", PARLEY_STATE=str(folder / "letters"))
    assert done.returncode == 1 and "is not a folder" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_down_tells_what_it_may_not_see_from_what_does_not_run(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0)
    for state in (closed, closed / "state"):
        for command in (DOWN, PARLEY):
            done = run(command, PARLEY_STATE=str(state))
            assert done.returncode == 1 and f"cannot look into {closed}" in done.stdout, done.stdout
    done = run(DOWN, PARLEY_STATE=str(folder / "none"))
    assert done.returncode == 0 and "there is no folder" in done.stdout
    (folder / "empty").mkdir()
    done = run(DOWN, PARLEY_STATE=str(folder / "empty"))
    assert done.returncode == 0 and "does not run" in done.stdout


def test_starts_and_stops_wait_for_one_another(folder):
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        for command in ((UP, "--no-apt", "--detach"), (DOWN,)):
            done = run("timeout", "1", *command, PARLEY_STATE=str(folder))
            assert done.returncode == 124 and "waiting for another" in done.stdout
    finally:
        os.close(lock)
    assert not list(folder.iterdir())


def test_wishes_that_cannot_be_are_refused_in_words(folder):
    state = str(folder / "state")
    for said, command in {"--bogus is not an option": (UP, "--bogus"), "now is not an option": (DOWN, "now"),
                          "HOME is not set": ("env", "-u", "HOME", DOWN), "usage": ("sh", UP, "--help")}.items():
        assert said in run(*command).stdout, command
    done = run(UP, "--no-apt", PARLEY_STATE=state, SUDO_USER="no-such-user", **rootly.environment())
    assert done.returncode == 1 and "SUDO_USER=no-such-user" in done.stdout
    done = run(UP, "--no-apt", PARLEY_STATE="/tmp/" + "x" * 85)
    assert done.returncode == 1 and "90 bytes, where 89 are possible" in done.stdout
    link = folder / "link"
    link.symlink_to(UP)
    assert "usage" in run(link, "--help", CDPATH="/:/usr").stdout
