"""A model server behind TLS is asked only when its certificate proves that it is the one that was named."""
import ssl
import subprocess

import pytest

from model import TEXT, Model
from parley import Parley
from people import person

UNPROVEN = "The model server's certificate does not prove who it is."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An authority, what it says of two servers, and what one says of itself."""
    folder = tmp_path_factory.mktemp("tls")

    def make(name, host, *signed):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                        f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", f"{name}.key", "-out", f"{name}.pem", *signed],
                       cwd=folder, check=True, capture_output=True)
    make("authority", "authority.example")
    make("right", "localhost", "-CA", "authority.pem", "-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE")
    make("other", "other.example", "-CA", "authority.pem", "-CAkey", "authority.key", "-addext", "basicConstraints=critical,CA:FALSE")
    make("self", "localhost")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return folder


class Trusting(Parley):
    """One that takes the word of an authority besides the system's."""

    trusted = None

    def environment(self):
        return {**super().environment(), **({"SSL_CERT_FILE": str(self.trusted)} if self.trusted else {})}


@pytest.mark.parametrize("certificate, trusted, proven", [
    ("right", "authority.pem", True), ("self", "self.pem", True), ("right", None, False), ("self", "authority.pem", False),
    ("other", "authority.pem", False),
])
def test_a_model_server_is_asked_when_it_has_proven_who_it_is(parley, folder, certificate, trusted, proven):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    with Model(tls=context) as model:
        running = Trusting({"model_url": model.url}, postgres=parley.postgres)
        running.trusted = trusted and folder / trusted
        with running, running.expecting("5xx"):
            answer = person(running).post("/api/v1/chat", {"text": "script:split:7:crlf"}, headers={"Accept": "application/json"})
            doctor = running.run("doctor", "-c", running.config).stdout
    assert ("its certificate does not hold" in doctor) is not proven, doctor
    if proven:
        assert (answer.status, answer.json["content"]) == (200, TEXT)
    else:
        assert (answer.status, answer.problem, answer.json["detail"]) == (502, "model_unreachable", UNPROVEN)
        assert model.requests == []
