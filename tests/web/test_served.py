"""How nginx shows the page: its headers, what is cached, and that the API stays where it was."""
import gzip
import re

import pytest

from client import Client

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
          "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")


@pytest.fixture
def web(shown):
    client = Client(shown.port)
    yield client
    client.close()


def assets(web):
    return re.findall(r'"(/assets/[^"]+)"', web.get("/").body.decode())


def test_the_page_stands_at_the_bare_address_and_at_chats(web):
    first = web.get("/")
    assert first.headers["Content-Type"] == "text/html" and b'<div id="page">' in first.body
    assert web.get("/c/01a1f939-0651-7225-92ac-15fca1885954").body == first.body
    assert first.headers["Cache-Control"] == "no-cache"
    assert web.get("/", headers={"If-None-Match": first.headers["ETag"]}).status == 304


def test_every_file_has_the_policy_and_one_of_each_header(web):
    for path in ("/", "/c/x", *assets(web)):
        answer = web.get(path)
        assert answer.status == 200 and answer.headers.get_all("Content-Security-Policy") == [POLICY], path
        for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "X-Request-Id", "Cache-Control"):
            assert len(answer.headers.get_all(name, [])) == 1, (path, name)


def test_files_with_a_hash_are_kept_for_ever_and_come_compressed(web):
    for path in assets(web):
        answer = web.get(path, headers={"Accept-Encoding": "gzip"})
        assert "immutable" in answer.headers["Cache-Control"] and answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.body) == web.get(path).body


def test_the_first_load_is_at_most_45_kb_of_script(web):
    scripts = [path for path in assets(web) if path.endswith(".js")]
    assert sum(len(web.get(path, headers={"Accept-Encoding": "gzip"}).body) for path in scripts) <= 45 * 1024


def test_nothing_in_the_page_is_inline_or_from_elsewhere(web):
    body = web.get("/").body.decode()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)|https?://", body)


def test_all_else_is_parleys(web):
    assert web.get("/assets/none.js").problem == "not_found"
    assert web.get("/chat").problem in ("unauthenticated", "not_found", "method_not_allowed")
    assert web.get("/api/v1/sessions").problem == "unauthenticated"
    assert web.post("/", {}).problem == "method_not_allowed"
    assert web.get("/../parley.conf").status in (400, 404)
    assert web.get("/assets/../index.html").status in (400, 404)
