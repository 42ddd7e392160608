"""nginx as the pages of conf/dialects want it: their own lines run, as they are written.

    with Site(lines("v1.md", 1), without=["location = /api/v1/users {"]) as site: ...     # in the shipped site
    with OldAddress(lines("threads.md")) as site: site.old(user).get("/chat/sessions")    # in the server of an old front end
"""
import os
import re

from client import Client
from parley import Parley, free_port
from postgres import ROOT


def lines(page, nth=0):
    """The nth block for nginx of a page."""
    with open(os.path.join(ROOT, "conf", "dialects", page)) as file:
        return re.findall(r"```nginx\n(.*?)```", file.read(), re.S)[nth]


class Site(Parley):
    """The shipped site with these locations more, those that begin with one of `without` less, and whole servers beside it."""

    def __init__(self, locations, without=(), servers="", **more):
        super().__init__(**more)
        self._locations, self._without, self._servers = locations, without, servers

    def _copy_nginx(self, path):
        super()._copy_nginx(path)
        if os.path.basename(path) != "parley.conf":
            return
        copy = os.path.join(self.folder, "nginx", "parley.conf")
        with open(copy) as file:
            text = file.read()
        for head in self._without:
            text, count = re.subn(r"    " + re.escape(head) + r"\n.*?\n    }\n", "", text, flags=re.S)
            assert count == 1, head
        with open(copy, "w") as file:
            file.write(text.replace("    location / {", self._locations + "    location / {", 1) + self._servers)


class OldAddress(Site):
    """A server beside the shipped one, of a front end that was there before: its page, and the locations."""

    def __init__(self, locations, **more):
        self.old_port = free_port()
        super().__init__("", servers=f"""
server {{
    listen 127.0.0.1:{self.old_port};
    location / {{
        default_type text/plain;
        return 200 "the old page";
    }}
{locations}
}}
""", **more)

    def old(self, user=None):
        """A client of that server, with somebody's token."""
        return Client(self.old_port, user.token if user else None)
