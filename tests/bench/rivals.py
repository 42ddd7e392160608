"""What Parley is measured against behind the same nginx: an empty FastCGI program, and the same requests served by PHP-FPM and by Fastify.

A rival is how nginx reaches it, and the command that runs it. Its folder is the site's.
"""
import json
import os
import shutil
import subprocess
from collections import namedtuple

from load import read_queries
from postgres import ROOT, UNPRIVILEGED

HERE = os.path.dirname(os.path.abspath(__file__))
COMPARE = os.path.join(HERE, "compare")

# location: the lines of nginx's location; context: lines beside the server.
Rival = namedtuple("Rival", "command location context environment", defaults=("", {}))


def _fastcgi(socket, more=""):
    """The same parameters and buffers as Parley gets."""
    with open(os.path.join(ROOT, "nginx", "fastcgi_parley")) as file:
        return file.read().replace("fastcgi_pass parley;", f"fastcgi_pass unix:{socket};") + more


def hello(site, program):
    socket = os.path.join(site.folder, "hello.sock")
    return Rival([program, socket, str(site.wanted)], _fastcgi(socket))


def _settings(site):
    """What the program of a rival reads: the very queries of Parley, the secret, the database."""
    path = os.path.join(site.folder, "rival.json")
    with open(path, "w") as file:
        json.dump({"queries": read_queries(), "secret": site.secret, "host": site.postgres.folder, "user": "parley_app",
                   "database": "parley", "workers": site.wanted}, file)
    return {"BENCH_SETTINGS": path}


def php(site):
    """As many processes as Parley has workers; each keeps its connection."""
    socket, conf = os.path.join(site.folder, "php.sock"), os.path.join(site.folder, "php-fpm.conf")
    with open(conf, "w") as file:
        file.write(f"[global]\nerror_log = {site.folder}/php.log\n[bench]\nlisten = {socket}\nlisten.backlog = 4096\n"
                   f"pm = static\npm.max_children = {site.wanted}\nclear_env = no\n")
    script = os.path.join(site.folder, "api.php")
    shutil.copy(os.path.join(COMPARE, "api.php"), script)
    fpm = php_fpm()
    return Rival([fpm, "-F", "-y", conf], _fastcgi(socket, f"fastcgi_param SCRIPT_FILENAME {script};\n"),
                 environment=_settings(site))


def php_fpm():
    names = [f"php-fpm8.{minor}" for minor in range(9, 0, -1)] + ["php-fpm"]
    found = [shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in names]
    return next(filter(None, found), None)


def fastify(site):
    """A process for each processor: more of them only take turns."""
    folder, socket = os.path.join(site.folder, "fastify"), os.path.join(site.folder, "fastify.sock")
    os.mkdir(folder)
    for name in ("package.json", "package-lock.json", "server.js"):
        shutil.copy(os.path.join(COMPARE, name), folder)
    npm = {**os.environ, "HOME": folder, "npm_config_cache": os.path.join(folder, "cache")}
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, env=npm, check=True,
                   stdout=subprocess.DEVNULL)
    location = "proxy_pass http://fastify; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffers 16 16k;"
    return Rival(["node", os.path.join(folder, "server.js"), socket, str(os.cpu_count())], location,
                 f"upstream fastify {{ server unix:{socket}; keepalive 64; }}\n",
                 {**_settings(site), "NODE_ENV": "production"})


def missing():
    """Why rivals cannot be compared with; empty when they can."""
    reasons = []
    fpm = php_fpm()
    if not fpm or "pdo_pgsql" not in subprocess.run([fpm, "-m"], capture_output=True, text=True, check=False).stdout:
        reasons.append("PHP-FPM with pdo_pgsql (Debian: php-fpm php-pgsql)")
    if not shutil.which("node") or not shutil.which("npm"):
        reasons.append("node and npm")
    return reasons
