"""What up.sh and down.sh say and leave alone; nothing is built or started here."""
import os
import stat
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UP = os.path.join(ROOT, "conf", "up.sh")
DOWN = os.path.join(ROOT, "conf", "down.sh")
AS_ROOT = () if os.geteuid() == 0 else ("unshare", "--map-root-user")


def run(*command, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG", "SUDO_"))}
    return subprocess.run(command, cwd="/", env={**kept, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def test_root_leaves_the_folders_that_were_there_as_they_are(tmp_path):
    for mode in (0o1777, 0o700):
        tmp_path.chmod(mode)
        run(*AS_ROOT, "timeout", "5", UP, "--detach", "--no-apt", PARLEY_STATE=str(tmp_path / "new" / "state"))
        assert stat.S_IMODE(tmp_path.stat().st_mode) == mode
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755
