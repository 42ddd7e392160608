"""People who are there without having signed up, so that no test pays for hashing a password that is not about passwords; and access tokens of
any content.

    alice = person(parley)                        # a Client with .token, .refresh_token, .user_id, .email, .password
    access_token(secret_of(parley), alice.user_id, exp=0)
"""
import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import time
import uuid

from client import PASSWORD

_numbers = itertools.count(1)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def quick_hash(password):
    """A password's hash as Parley keeps it, but made in microseconds: its own parameters stand in it."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=16, r=1, p=1, dklen=32)
    return "$scrypt$ln=4,r=1,p=1${}${}".format(*(base64.b64encode(part).rstrip(b"=").decode() for part in (salt, digest)))


def secret_of(parley):
    with open(parley.options["jwt_secret_file"], "rb") as file:
        return file.read().strip()


def access_token(secret, user_id, header=None, sign=None, **claims):
    """A JWT with good claims but those that are given; None leaves one out. sign makes the signature of the signed bytes."""
    now = int(time.time())
    payload = {"sub": user_id, "iss": "parley", "aud": "parley", "iat": now, "nbf": now, "exp": now + 900, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    parts = [json.dumps(part).encode() for part in (header or {"alg": "HS256", "typ": "JWT"}, payload)]
    signed = ".".join(map(base64url, parts))
    sign = sign or (lambda data: hmac.digest(secret, data, "sha256"))
    return signed + "." + base64url(sign(signed.encode()))


def refresh_token(user_id, family):
    """A refresh token, and the hash of it that the database holds."""
    secret = os.urandom(32)
    return base64url(uuid.UUID(user_id).bytes + uuid.UUID(family).bytes + secret), hashlib.sha256(secret).hexdigest()


def sign_in(parley, client):
    """One more refresh token, of a family of its own."""
    family = str(uuid.uuid4())
    text, digest = refresh_token(client.user_id, family)
    run_sql(parley, "insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at) "
                    "values (%s, %s, %s, now() + interval '30 days')", client.user_id, family, digest)
    return text


def person(parley, email=None, password=PASSWORD, display_name=None):
    """A client of a new person, like Client.signup."""
    client = parley.client
    client.user_id, client.password = str(uuid.uuid4()), password
    client.email = email or f"quick{next(_numbers)}.{os.getpid()}@example.org"
    run_sql(parley, "select parley.user_create(%s, %s, %s, %s, null)",
            client.user_id, client.email, quick_hash(password), display_name)
    client.token = access_token(secret_of(parley), client.user_id)
    client.refresh_token = sign_in(parley, client)
    return client


def run_sql(parley, statement, *parameters):
    """Runs a statement as a superuser, whom no policy holds; answers its rows."""
    database = re.search(r"dbname=(\S+)", parley.options["database"]).group(1)
    connection = parley.postgres.connect("postgres", database)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def steady_minute(seconds=4):
    """Waits for the next minute when this one is over in fewer seconds: quotas are counted by the minute of the clock."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left + 0.05)
