"""The environment in which a program believes that it runs as root, without a right more than before: the C library says so. Whoever runs the
tests is not root, and a user namespace is not to be had everywhere."""
import os
import subprocess
import tempfile


def environment():
    folder = tempfile.mkdtemp(prefix="root-")
    os.chmod(folder, 0o755)
    library = os.path.join(folder, "root.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, "-xc", "-"], check=True,
                   input=b"unsigned geteuid(void) { return 0; } unsigned getuid(void) { return 0; }")
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0"}
