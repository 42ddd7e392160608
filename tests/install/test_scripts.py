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


def test_a_password_for_an_import_comes_from_the_callers_environment_and_nothing_else_does(folder):
    (folder / "app" / "bin").mkdir(parents=True)
    program = folder / "app" / "bin" / "parley"
    program.write_text("#!/bin/sh\n/usr/bin/env | /usr/bin/sort\n/usr/bin/tr '\\0' ' ' </proc/$$/cmdline\n")
    program.chmod(0o755)
    secret = folder / "secret"
    secret.write_text("*:*:*:*:x")
    given = {"PGPASSWORD": "two words", "PGPASSFILE": str(secret), "PGHOST": "elsewhere", "PGSERVICE": "x", "OTHER": "x", "PARLEY_STATE": str(folder)}
    said = {command: run(PARLEY, command, **given).stdout.split("\n") for command in ("import-legacy", "user")}
    names = {command: {line.split("=")[0] for line in lines if "=" in line} - {"PWD", "_", "SHLVL", "OLDPWD"} for command, lines in said.items()}
    assert names["user"] == {"PATH", "HOME", "LC_ALL", "PARLEY_CONFIG"}, said
    assert names["import-legacy"] == names["user"] | {"PGPASSWORD", "PGPASSFILE"}, said
    assert "PGPASSWORD=two words" in said["import-legacy"] and f"PGPASSFILE={secret}" in said["import-legacy"]
    given["PGPASSFILE"] = str(folder / "none")
    done = run(PARLEY, "import-legacy", **given)
    assert done.returncode == 1 and "PGPASSFILE names a file that" in done.stdout


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


@pytest.fixture
def command(folder):
    """A state folder of somebody who may read nothing of the caller's, whose program tells what it was given."""
    folder.chmod(0o755)
    program = folder / "state" / "app" / "bin" / "parley"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\ncat\n')
    program.chmod(0o755)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody:nogroup", folder / "state"], check=True)
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "coach.txt").write_text("Be kind.")
    (private / "coach.txt").chmod(0o600)

    def run(*arguments, stdin=subprocess.DEVNULL):
        return subprocess.run([PARLEY, *arguments], cwd=private, env={**os.environ, "PARLEY_STATE": str(folder / "state")}, stdin=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
    return run


def test_the_prompt_of_a_helper_is_read_by_the_caller_where_the_caller_is(command, folder):
    for name in ("coach.txt", str(folder / "private" / "coach.txt"), "../private/coach.txt"):
        assert command("helper", "set", "coach", "--prompt", name, "--model", "m").stdout == "helper set coach --prompt - --model m\nBe kind."
        assert command("helper", "set", "coach", "--prompt=" + name).stdout == "helper set coach --prompt=-\nBe kind."
    for name in ("-", "/dev/stdin"):
        with open(folder / "private" / "coach.txt") as file:
            assert command("helper", "set", "coach", "--prompt", name, stdin=file).stdout == "helper set coach --prompt -\nBe kind."
        reader, writer = os.pipe()
        os.write(writer, b"Through a pipe.")
        os.close(writer)
        assert command("helper", "set", "coach", "--prompt", name, stdin=reader).stdout.endswith("\nThrough a pipe.")
        os.close(reader)
    for name in ("none.txt", "."):
        done = command("helper", "set", "coach", "--prompt", name)
        assert done.returncode == 1 and done.stdout == f'parley: the prompt\'s file "{name}" cannot be read\n'
    assert command("helper", "list").stdout == "helper list\n"


def test_a_pid_file_that_vanishes_is_no_process(folder):
    """Something that is there and cannot be read comes to the same as a file that goes between the look and the reading."""
    script = f'top={ROOT}; . "$top/conf/common.sh"; state={folder}; mkdir "$state/parley.pid"; parley_pid; process_find "$state/none" x'
    done = run("bash", "-euo", "pipefail", "-c", script)
    assert (done.returncode, done.stdout) == (0, "")
