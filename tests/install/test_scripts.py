"""What up.sh and down.sh say and leave alone; nothing is built or started here."""
import fcntl
import os
import stat
import subprocess

import pytest

import rootly

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UP = os.path.join(ROOT, "conf", "up.sh")
DOWN = os.path.join(ROOT, "conf", "down.sh")
PARLEY = os.path.join(ROOT, "conf", "parley.sh")


def run(*command, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG", "SUDO_"))}
    return subprocess.run(command, cwd="/", env={**kept, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def test_root_leaves_the_folders_that_were_there_as_they_are(tmp_path):
    for mode in (0o1777, 0o700):
        tmp_path.chmod(mode)
        run("timeout", "5", UP, "--detach", "--no-apt", PARLEY_STATE=str(tmp_path / "new" / "state"), **rootly.environment())
        assert stat.S_IMODE(tmp_path.stat().st_mode) == mode
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755


def test_a_folder_of_other_things_is_not_taken(tmp_path):
    (tmp_path / "letters").write_text("dear")
    done = run(UP, "--no-apt", PARLEY_STATE=str(tmp_path))
    assert done.returncode == 1 and "holds other things" in done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["letters"]
    done = run(UP, "--no-apt", PARLEY_STATE=str(tmp_path / "letters"))
    assert done.returncode == 1 and "is not a folder" in done.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_down_tells_what_it_may_not_see_from_what_does_not_run(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    for folder in (closed, closed / "state"):
        for command in (DOWN, PARLEY):
            done = run(command, PARLEY_STATE=str(folder))
            assert done.returncode == 1 and f"cannot look into {closed}" in done.stdout, done.stdout
    done = run(DOWN, PARLEY_STATE=str(tmp_path / "none"))
    assert done.returncode == 0 and "there is no folder" in done.stdout
    (tmp_path / "empty").mkdir()
    done = run(DOWN, PARLEY_STATE=str(tmp_path / "empty"))
    assert done.returncode == 0 and "does not run" in done.stdout


def test_starts_and_stops_wait_for_one_another(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        for command in ((UP, "--no-apt", "--detach"), (DOWN,)):
            done = run("timeout", "1", *command, PARLEY_STATE=str(tmp_path))
            assert done.returncode == 124 and "waiting for another" in done.stdout
    finally:
        os.close(folder)
    assert not list(tmp_path.iterdir())


def test_wishes_that_cannot_be_are_refused_in_words(tmp_path):
    state = str(tmp_path / "state")
    for said, command in {"--bogus is not an option": (UP, "--bogus"), "now is not an option": (DOWN, "now"),
                          "HOME is not set": ("env", "-u", "HOME", DOWN), "usage": ("sh", UP, "--help")}.items():
        assert said in run(*command).stdout, command
    done = run(UP, "--no-apt", PARLEY_STATE=state, SUDO_USER="no-such-user", **rootly.environment())
    assert done.returncode == 1 and "SUDO_USER=no-such-user" in done.stdout
    done = run(UP, "--no-apt", PARLEY_STATE="/tmp/" + "x" * 85)
    assert done.returncode == 1 and "90 bytes, where 89 are possible" in done.stdout
    link = tmp_path / "link"
    link.symlink_to(UP)
    assert "usage" in run(link, "--help", CDPATH="/:/usr").stdout
