"""What autotools users expect: make distcheck, and make install with DESTDIR."""
import os
import shutil
import subprocess
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def build():
    folder = tempfile.mkdtemp(prefix="autotools-")
    subprocess.run([os.path.join(ROOT, "configure"), "--prefix=/usr"], cwd=folder, check=True, capture_output=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def make(build, *arguments):
    done = subprocess.run(["make", "-j2", *arguments], cwd=build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def test_install_puts_the_program_under_destdir(build):
    make(build, "install", "DESTDIR=" + os.path.join(build, "root"))
    program = os.path.join(build, "root", "usr", "bin", "parley")
    assert subprocess.run([program, "version"], capture_output=True, check=True).stdout.startswith(b"parley ")
    found = {os.path.relpath(os.path.join(folder, name), os.path.join(build, "root"))
             for folder, _, names in os.walk(os.path.join(build, "root")) for name in names}
    assert all(name.startswith("usr/") for name in found), found
    share = "usr/share/parley/"
    assert {share + "roles.sql", *(share + "nginx/" + name for name in os.listdir(os.path.join(ROOT, "nginx"))),
            *(share + "apache/" + name for name in os.listdir(os.path.join(ROOT, "conf", "apache")))} <= found
    with open(os.path.join(build, "root/usr/share/doc/parley/parley.service")) as file:
        assert "ExecStart=/usr/bin/parley " in file.read()


@pytest.mark.timeout(420)
def test_distcheck_passes_and_the_archive_is_whole(build):
    make(build, "distcheck")
    archive, = [name for name in os.listdir(build) if name.endswith(".tar.xz")]
    listed = subprocess.run(["tar", "-tf", archive], cwd=build, capture_output=True, text=True, check=True).stdout
    names = {line.partition("/")[2] for line in listed.splitlines()}
    for folder in ("src", "sql", "conf", "nginx", "tests"):
        for place, _, files in os.walk(os.path.join(ROOT, folder)):
            missing = {os.path.relpath(os.path.join(place, name), ROOT) for name in files if not name.endswith(".pyc")} - names
            assert not missing, sorted(missing)
    assert {"README.md", ".ci/run", "configure.ac"} <= names
