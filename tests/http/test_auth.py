"""Signing up, in and out; tokens of both kinds; the cookie; who counts as the caller."""
import hmac
import statistics
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import PASSWORD
from parley import Parley
from people import access_token, base64url, person, refresh_token, run_sql, secret_of, sign_in

AUTH = "/api/v1/auth/"
ME = "/api/v1/users/me"


@pytest.fixture(scope="module")
def wide(parley):
    """Room for eight hashes at once, so that guesses in parallel are all looked at."""
    with Parley({"workers": 8, "hashes_at_once": 8}, postgres=parley.postgres) as running:
        yield running


def new_address():
    return f"new.{uuid.uuid4().hex}@example.org"


def login(client, email, password=PASSWORD, **more):
    return client.post(AUTH + "login", {"email": email, "password": password, **more})


def refresh(client, token, **more):
    return client.post(AUTH + "refresh", {"refresh_token": token}, **more)


def in_parallel(count, work):
    """Runs work(i) count times at once, as far as two cores can; answers what each answered."""
    start = threading.Barrier(count)

    def run(i):
        start.wait()
        return work(i)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def fields(answer):
    return [error["field"] for error in answer.json.get("errors", [])]


def without_id(answer):
    return {name: value for name, value in answer.json.items() if name != "request_id"}


def attempts(parley, email):
    return run_sql(parley, "select coalesce(sum(attempts), 0) from parley.login_attempts where email = %s", email)[0][0]


# Signing up


@pytest.mark.parametrize("path", [AUTH + "signup", "/api/v1/users"])
def test_sign_up_answers_the_person_and_tokens(client, path):
    email = new_address()
    answer = client.post(path, {"email": email.upper(), "password": PASSWORD, "display_name": "Zoë",
                                "avatar_url": "https://example.org/a.png"})
    assert answer.status == 201, answer
    assert answer.headers["Location"] == ME
    assert answer.headers["Cache-Control"] == "no-store"
    given = answer.json
    assert set(given) == {"access_token", "token_type", "expires_in", "refresh_token", "user_id", "user"}
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 900)
    assert set(given["user"]) == {"user_id", "email", "display_name", "avatar_url", "created_at", "updated_at"}
    assert given["user"]["user_id"] == given["user_id"]
    assert uuid.UUID(given["user_id"]).version == 7
    assert (given["user"]["email"], given["user"]["display_name"]) == (email, "Zoë")
    client.token = given["access_token"]
    assert client.get(ME).json == given["user"]
    assert refresh(client, given["refresh_token"]).status == 200


def test_an_address_is_taken_whatever_its_case(parley, client):
    taken = person(parley)
    answer = client.post(AUTH + "signup", {"email": taken.email.title(), "password": PASSWORD})
    assert (answer.status, answer.problem) == (409, "email_taken")


def test_an_address_that_signs_up_twice_at_once_gets_one_account(parley):
    email = new_address()
    answers = in_parallel(2, lambda _: parley.client.post(AUTH + "signup", {"email": email, "password": PASSWORD}))
    assert sorted(answer.status for answer in answers) == [201, 409]


@pytest.mark.parametrize("password", ["", "short", "sévèn77", "x" * 257, "ü" * 129, None, 12345678, ["longenough"]],
                         ids=lambda value: str(value)[:8])
def test_a_bad_password_is_refused_by_name(parley, client, password):
    email = new_address()
    answer = client.post(AUTH + "signup", {"email": email, "password": password})
    assert (answer.status, answer.problem, fields(answer)) == (400, "invalid_field", ["password"])
    assert not run_sql(parley, "select 1 from parley.user_emails where email = %s", email)


@pytest.mark.parametrize("password", ["üüüüüüüü", "x" * 256], ids=["characters", "bytes"])
def test_a_password_is_measured_in_characters_at_least_and_bytes_at_most(client, password):
    email = new_address()
    assert client.post(AUTH + "signup", {"email": email, "password": password}).status == 201
    assert login(client, email, password).status == 200


@pytest.mark.parametrize("email", ["", "plain", "@x.org", "a@", "a b@x.org", "a@x.org\n", "a" * 250 + "@x.org", None, 1],
                         ids=lambda value: repr(value)[:12])
def test_what_is_no_address_is_refused_by_name(client, email):
    answer = client.post(AUTH + "signup", {"email": email, "password": PASSWORD})
    assert (answer.status, fields(answer)) == (400, ["email"])


def test_all_wrong_fields_are_named_at_once(client):
    answer = client.post(AUTH + "signup", {"email": "x", "password": "y", "display_name": "n" * 201,
                                           "avatar_url": "javascript:alert(1)", "refresh": "pigeon"})
    assert answer.status == 400
    assert sorted(fields(answer)) == ["avatar_url", "display_name", "email", "password", "refresh"]


def test_sign_up_can_be_switched_off(parley):
    with Parley({"signup": "off"}, postgres=parley.postgres) as closed:
        for path in (AUTH + "signup", "/api/v1/users"):
            answer = closed.client.post(path, {"email": new_address(), "password": PASSWORD})
            assert (answer.status, answer.problem) == (403, "signup_disabled")
        assert login(closed.client, person(closed).email).status == 200


def test_no_password_or_token_is_kept_as_it_is(parley, client):
    given = client.post(AUTH + "signup", {"email": new_address(), "password": "plainly visible"}).json
    kept = str(parley.contents())
    for secret in ("plainly visible", given["refresh_token"], given["access_token"]):
        assert secret not in kept
        assert secret not in parley.log_text()
    kept_hash = run_sql(parley, "select password_hash from parley.user_emails where user_id = %s", given["user_id"])
    assert kept_hash[0][0].startswith("$scrypt$ln=15,r=8,p=3$")


# Signing in


def test_the_right_password_signs_in_whatever_the_addresss_case(parley, client):
    known = person(parley, display_name="Kim")
    answer = login(client, known.email.upper())
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["user"]["display_name"] == "Kim"
    assert answer.json["user_id"] == known.user_id
    client.token = answer.json["access_token"]
    assert client.get(ME).json["user_id"] == known.user_id


def test_a_wrong_password_and_an_unknown_address_look_alike(client):
    known, unknown = client.signup().email, new_address()
    times = {known: [], unknown: []}
    answers = {}
    for _ in range(3):
        for email in (known, unknown):
            start = time.monotonic()
            answers[email] = login(client, email, "not the password")
            times[email].append(time.monotonic() - start)
    assert answers[known].status == answers[unknown].status == 401
    assert answers[known].problem == "invalid_credentials"
    assert without_id(answers[known]) == without_id(answers[unknown])
    assert set(answers[known].headers.keys()) == set(answers[unknown].headers.keys())
    ratio = statistics.median(times[known]) / statistics.median(times[unknown])
    assert 0.4 < ratio < 2.5, times


@pytest.mark.parametrize("known", [True, False])
def test_the_eleventh_guess_has_to_wait(wide, known):
    email = person(wide).email if known else new_address()
    guesses = in_parallel(8, lambda i: login(wide.client, email, f"guess number {i}"))
    assert {guess.status for guess in guesses} == {401}
    assert [login(wide.client, email, "guess").status for _ in range(2)] == [401, 401]
    for password in ("guess", PASSWORD):
        answer = login(wide.client, email, password)
        assert (answer.status, answer.problem) == (429, "too_many_logins")
        assert 0 < int(answer.headers["Retry-After"]) <= 900
    run_sql(wide, "update parley.login_attempts set window_start = window_start - interval '15 minutes' where email = %s", email)
    assert login(wide.client, email).status == (200 if known else 401)


def test_guesses_in_parallel_are_never_more_than_ten(wide):
    email = person(wide).email
    client = [wide.client for _ in range(8)]
    answers = in_parallel(8, lambda i: [login(client[i], email, f"guess {i} {k}").status for k in range(4)])
    statuses = sum(answers, [])
    assert (statuses.count(401), statuses.count(429)) == (10, 22)


def test_a_failure_is_counted_on_disk_and_a_success_forgets(parley, client):
    known = person(parley)
    for _ in range(9):
        assert login(client, known.email, "wrong").status == 401
    assert attempts(parley, known.email) == 9
    assert login(client, known.email).status == 200
    assert attempts(parley, known.email) == 0
    for _ in range(9):
        assert login(client, known.email, "wrong").status == 401


def test_one_address_that_is_guessed_at_locks_nobody_else(parley, client):
    target, other = person(parley), person(parley)
    for _ in range(11):
        login(client, target.email, "wrong")
    assert login(client, target.email).status == 429
    assert login(client, other.email).status == 200
    assert target.get(ME).status == 200


# Hashes at once


@pytest.fixture
def narrow(parley):
    with Parley({"workers": 4, "hashes_at_once": 1}, postgres=parley.postgres) as running:
        yield running


def test_too_many_hashes_at_once_are_refused_and_the_rest_goes_on(narrow):
    reader = person(narrow)
    waits = []
    with narrow.expecting("5xx"), ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(lambda: narrow.client.post(AUTH + "signup", {"email": new_address(), "password": PASSWORD}))
                for _ in range(6)]
        while not all(answer.done() for answer in sent):
            start = time.monotonic()
            assert reader.get("/api/v1/sessions").status == 200
            waits.append(time.monotonic() - start)
        answers = [answer.result() for answer in sent]
        busy = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {201, 503}
    assert {(answer.problem, answer.headers["Retry-After"]) for answer in busy} == {("busy", "1")}
    assert statistics.median(waits) < 0.1, waits


def test_a_sign_in_that_nobody_looked_at_is_no_failure(narrow):
    """Somebody with the right password who comes again as told is not locked out by a busy server."""
    email = person(narrow).email
    with narrow.expecting("5xx"), ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: login(narrow.client, new_address()))
        time.sleep(0.05)
        statuses = []
        while not slow.done():
            statuses.append(login(narrow.client, email).status)
    assert set(statuses) <= {200, 503}
    assert statuses.count(503) > 10
    assert login(narrow.client, email).status == 200


# Access tokens


def forged(parley, user, **more):
    return access_token(secret_of(parley), user.user_id, **more)


def whoami(parley, token):
    return parley.client.get(ME, headers={"Authorization": "Bearer " + token})


@pytest.mark.parametrize("claims", [
    {}, {"exp": -20}, {"nbf": 20}, {"iat": 20}, {"nbf": None}, {"iat": None}, {"aud": ["other", "parley"]}, {"more": {"a": 1}},
], ids=str)
def test_a_good_token_is_taken_with_half_a_minute_of_skew(parley, alice, claims):
    now = int(time.time())
    claims = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    answer = whoami(parley, forged(parley, alice, **claims))
    assert (answer.status, answer.json["user_id"]) == (200, alice.user_id)


@pytest.mark.parametrize("claims", [
    {"exp": -31}, {"exp": -100000}, {"exp": None}, {"exp": "2999-01-01"}, {"nbf": 60}, {"iat": 60}, {"iss": "other"}, {"iss": None},
    {"aud": "other"}, {"aud": None}, {"aud": []}, {"sub": "root"}, {"sub": None}, {"sub": ""},
], ids=str)
def test_a_token_with_wrong_claims_is_refused(parley, alice, claims):
    now = int(time.time())
    claims = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    answer = whoami(parley, forged(parley, alice, **claims))
    expired = isinstance(claims.get("exp"), int)
    assert (answer.status, answer.problem) == (401, "token_expired" if expired else "token_invalid")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("alg", ["none", "None", "HS512", "RS256", "hs256", "", None, 1])
@pytest.mark.parametrize("signed", [True, False])
def test_no_algorithm_but_ours_is_taken(parley, alice, alg, signed):
    token = forged(parley, alice, header={"alg": alg, "typ": "JWT"}, sign=None if signed else lambda data: b"")
    assert whoami(parley, token).problem == "token_invalid"


def test_a_token_of_another_secret_is_refused(parley, alice):
    for secret in (b"x" * 32, b"", secret_of(parley)[:-1], secret_of(parley) + b"\n"):
        assert whoami(parley, access_token(secret, alice.user_id)).problem == "token_invalid"
    sha512 = forged(parley, alice, header={"alg": "HS512"}, sign=lambda data: hmac.digest(secret_of(parley), data, "sha512"))
    assert whoami(parley, sha512).problem == "token_invalid"


def test_a_token_that_was_changed_is_refused(parley, alice, bob):
    head, payload, signature = alice.token.split(".")
    theirs = bob.token.split(".")
    for token in (f"{head}.{theirs[1]}.{signature}", f"{head}.{payload}.{theirs[2]}", f"{head}.{payload}.", f"{head}.{payload}",
                  f".{payload}.{signature}", f"{head}.{payload}.{signature}.", f"{head}.{payload}.{signature}=", payload,
                  alice.token.lower(), "x" * 5000, "..", "a.b.c"):
        assert whoami(parley, token).status == 401, token


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Token abc", "bearer\t"])
def test_without_a_token_nobody_is_anybody(client, header):
    answer = client.get(ME, headers={"Authorization": header})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_secret_is_replaced_without_signing_anybody_out(parley):
    """Old tokens count while their secret is the previous one, and not a moment longer; new ones are signed with the new."""
    with Parley(postgres=parley.postgres) as running:
        user = person(running)
        old, old_file = user.token, running.options["jwt_secret_file"]
        running.configure(jwt_secret_file=running.write_secret("new.secret"), jwt_previous_secret_file=old_file)
        running.reload()
        new = forged(running, user)
        wait_for(lambda: whoami(running, new).status == 200)
        assert {whoami(running, old).status for _ in range(20)} == {200}
        fresh = refresh(running.client, user.refresh_token).json["access_token"]
        running.configure(jwt_previous_secret_file=None)
        running.reload()
        wait_for(lambda: whoami(running, old).status == 401)
        wait_for(lambda: {whoami(running, old).status for _ in range(20)} == {401})
        assert whoami(running, fresh).status == whoami(running, new).status == 200


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Refresh tokens


def test_a_refresh_token_is_exchanged_for_a_new_pair(parley, alice):
    answer = refresh(parley.client, alice.refresh_token)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    given = answer.json
    assert set(given) == {"access_token", "token_type", "expires_in", "refresh_token", "user_id"}
    assert given["user_id"] == alice.user_id
    assert given["refresh_token"] != alice.refresh_token
    assert whoami(parley, given["access_token"]).status == 200
    assert refresh(parley.client, given["refresh_token"]).status == 200


def test_a_token_used_twice_revokes_its_family_in_that_same_request(parley, alice):
    other = sign_in(parley, alice)
    newest = refresh(parley.client, alice.refresh_token).json["refresh_token"]
    newest = refresh(parley.client, newest).json["refresh_token"]
    answer = refresh(parley.client, alice.refresh_token)
    revoked = run_sql(parley, "select count(*) from parley.refresh_tokens where user_id = %s and revoked_at is not null", alice.user_id)
    assert (answer.status, answer.problem, revoked) == (401, "refresh_reused", [(1,)])
    assert "access_token" not in answer.json
    assert refresh(parley.client, newest).problem == "refresh_invalid"
    assert refresh(parley.client, other).status == 200


def test_of_parallel_uses_of_one_token_exactly_one_wins(parley, alice):
    clients = [parley.client for _ in range(6)]
    answers = in_parallel(6, lambda i: refresh(clients[i], alice.refresh_token))
    assert sorted(answer.status for answer in answers) == [200] + 5 * [401]
    winner = next(answer for answer in answers if answer.status == 200)
    assert refresh(parley.client, winner.json["refresh_token"]).status == 401


def test_a_token_that_is_over_or_was_never_given_is_refused(parley, alice, bob):
    family = str(run_sql(parley, "select family_id from parley.refresh_tokens where user_id = %s", bob.user_id)[0][0])
    run_sql(parley, "update parley.refresh_tokens set expires_at = now() where user_id = %s", alice.user_id)
    mixed, _ = refresh_token(alice.user_id, family)
    for token in (alice.refresh_token, mixed, refresh_token(str(uuid.uuid4()), str(uuid.uuid4()))[0], "x", "A" * 86,
                  bob.refresh_token[:-1], bob.refresh_token + "A"):
        answer = refresh(parley.client, token)
        assert (answer.status, answer.problem) == (401, "refresh_invalid"), token
    for body in ({}, {"refresh_token": None}):
        assert parley.client.post(AUTH + "refresh", body).problem == "refresh_invalid"
    assert refresh(parley.client, bob.refresh_token).status == 200


def test_an_access_token_is_no_refresh_token_nor_the_other_way(parley, alice):
    assert refresh(parley.client, alice.token).status in (400, 401)
    assert whoami(parley, alice.refresh_token).status == 401


# The cookie


def cookie_of(answer):
    """The name=value and the set of attributes of the one cookie."""
    cookies = answer.headers.get_all("Set-Cookie")
    assert len(cookies) == 1
    value, *attributes = cookies[0].split("; ")
    return value, set(attributes)


def sign_in_by_cookie(parley, email, **headers):
    return parley.client.post(AUTH + "login", {"email": email, "password": PASSWORD, "refresh": "cookie"}, headers=headers)


@pytest.fixture
def cookie(parley, alice):
    """alice's refresh token in a cookie."""
    return cookie_of(sign_in_by_cookie(parley, alice.email))[0]


def own(parley):
    return f"http://127.0.0.1:{parley.port}"


def by_cookie(parley, path, cookie, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return parley.client.post(AUTH + path, body or {}, headers={"Cookie": cookie, **headers})


def test_a_cookie_holds_the_refresh_token_out_of_scripts_reach(parley, alice):
    answer = sign_in_by_cookie(parley, alice.email)
    value, attributes = cookie_of(answer)
    assert value.startswith("parley_refresh=")
    assert attributes == {"HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age=2592000"}
    assert "refresh_token" not in answer.json
    _, attributes = cookie_of(sign_in_by_cookie(parley, alice.email, **{"X-Forwarded-Proto": "https"}))
    assert "Secure" in attributes


def test_sign_up_and_password_take_the_cookie_too(parley, alice, client):
    answer = client.post(AUTH + "signup", {"email": new_address(), "password": PASSWORD, "refresh": "cookie"})
    assert "refresh_token" not in answer.json
    value, _ = cookie_of(answer)
    assert by_cookie(parley, "refresh", value, Origin=own(parley)).status == 200
    answer = alice.post(AUTH + "password", {"current_password": PASSWORD, "new_password": "another secret", "refresh": "cookie"})
    assert "refresh_token" not in answer.json
    assert by_cookie(parley, "refresh", cookie_of(answer)[0], Origin=own(parley)).status == 200


@pytest.mark.parametrize("mode, https, secure", [("on", False, True), ("off", True, False)])
def test_secure_can_be_decided(parley, mode, https, secure):
    with Parley({"cookie_secure": mode}, postgres=parley.postgres) as running:
        headers = {"X-Forwarded-Proto": "https"} if https else {}
        _, attributes = cookie_of(sign_in_by_cookie(running, person(running).email, **headers))
        assert ("Secure" in attributes) == secure


def test_the_cookie_is_exchanged_for_the_next(parley, cookie):
    answer = by_cookie(parley, "refresh", cookie, Origin=own(parley))
    assert answer.status == 200
    assert "refresh_token" not in answer.json
    following, attributes = cookie_of(answer)
    assert following != cookie and "HttpOnly" in attributes
    assert by_cookie(parley, "refresh", cookie, Origin=own(parley)).problem == "refresh_reused"
    assert by_cookie(parley, "refresh", following, Origin=own(parley)).status == 401


@pytest.mark.parametrize("headers, taken", [
    ({}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"}, False),
    ({"Sec_Fetch_Site": "cross-site"}, False),
    ({"Sec_Fetch_Site": "same-site"}, False),
    ({"Sec_Fetch_Site": "none"}, False),
    ({"Sec_Fetch_Site": "same-origin"}, True),
], ids=str)
def test_a_cookie_counts_only_from_a_page_of_this_site(parley, cookie, headers, taken):
    for path in ("refresh", "logout"):
        answer = by_cookie(parley, path, cookie, **headers)
        if taken:
            assert answer.status == 200
            return
        assert (answer.status, answer.problem) == (403, "origin_mismatch")
        assert "Set-Cookie" not in answer.headers
    assert by_cookie(parley, "refresh", cookie, Origin=own(parley)).status == 200


def test_origins_that_only_look_alike_are_foreign(parley, cookie):
    port = parley.port
    for origin in (f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}.evil.example", f"http://127.0.0.1:{port}/", "http://127.0.0.1",
                   f"http://evil@127.0.0.1:{port}", f"http://127.0.0.1:{port} http://evil.example", f"http://localhost:{port}"):
        assert by_cookie(parley, "refresh", cookie, Origin=origin).status == 403, origin


def test_other_origins_can_be_allowed(parley):
    with Parley({"allowed_origins": "https://a.example https://b.example"}, postgres=parley.postgres) as running:
        cookie = cookie_of(sign_in_by_cookie(running, person(running).email))[0]
        for origin in ("https://a.example.evil.example", "https://a", "https://a.example https://b.example", "http://b.example", ""):
            assert by_cookie(running, "refresh", cookie, Origin=origin).status == 403, origin
        assert by_cookie(running, "refresh", cookie, Origin="https://b.example").status == 200


def test_a_cookie_alone_opens_nothing_but_its_own_routes(parley, cookie):
    for path in (ME, "/api/v1/sessions"):
        assert parley.client.get(path, headers={"Cookie": cookie, "Origin": own(parley)}).status == 401


def test_signing_out_takes_the_cookie_away(parley, cookie):
    answer = by_cookie(parley, "logout", cookie, Origin=own(parley))
    assert answer.status == 204
    value, attributes = cookie_of(answer)
    assert value == "parley_refresh=" and "Max-Age=0" in attributes and "Path=/api/v1/auth" in attributes
    assert by_cookie(parley, "refresh", cookie, Origin=own(parley)).status == 401


def test_a_token_in_the_body_wins_over_the_cookie(parley, alice, cookie):
    answer = by_cookie(parley, "refresh", cookie, {"refresh_token": alice.refresh_token})
    assert answer.status == 200
    assert "refresh_token" in answer.json and "Set-Cookie" not in answer.headers


# Signing out


def test_signing_out_ends_one_family(parley, alice):
    other = sign_in(parley, alice)
    assert parley.client.post(AUTH + "logout", {"refresh_token": alice.refresh_token}).status == 204
    assert refresh(parley.client, alice.refresh_token).status == 401
    assert refresh(parley.client, other).status == 200


def test_signing_out_everywhere_ends_all_families_of_the_token_alone(parley, alice, bob):
    tokens = [alice.refresh_token] + [sign_in(parley, alice) for _ in range(2)]
    assert parley.client.post(AUTH + "logout", {"all": True}).status == 401
    assert parley.client.post(AUTH + "logout", {"all": True, "refresh_token": alice.refresh_token}).status == 401
    assert alice.post(AUTH + "logout", {"all": True}).status == 204
    assert [refresh(parley.client, token).status for token in tokens] == [401, 401, 401]
    assert refresh(parley.client, bob.refresh_token).status == 200
    assert login(parley.client, alice.email).status == 200


def test_signing_out_needs_a_token(parley, client):
    assert client.post(AUTH + "logout", {}).status == 401
    assert client.post(AUTH + "logout").status == 401
    assert client.post(AUTH + "logout", {"all": "yes"}).status == 400


# Changing the password


def test_a_new_password_ends_every_other_sign_in(parley, alice):
    old = [alice.refresh_token, sign_in(parley, alice)]
    answer = alice.post(AUTH + "password", {"current_password": PASSWORD, "new_password": "another secret"})
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert [refresh(parley.client, token).status for token in old] == [401, 401]
    assert refresh(parley.client, answer.json["refresh_token"]).status == 200
    assert whoami(parley, answer.json["access_token"]).status == 200
    assert login(parley.client, alice.email).status == 401
    assert login(parley.client, alice.email, "another secret").status == 200


@pytest.mark.parametrize("change, status", [
    ({"current_password": "wrong", "new_password": "another secret"}, 401),
    ({"current_password": PASSWORD, "new_password": "short"}, 400),
    ({"new_password": "another secret"}, 400),
    ({"current_password": PASSWORD}, 400),
], ids=str)
def test_a_password_that_is_not_proved_or_too_short_changes_nothing(parley, alice, change, status):
    before = run_sql(parley, "select password_hash from parley.user_emails where user_id = %s", alice.user_id)
    assert alice.post(AUTH + "password", change).status == status
    assert run_sql(parley, "select password_hash from parley.user_emails where user_id = %s", alice.user_id) == before
    assert refresh(parley.client, alice.refresh_token).status == 200


def test_guessing_the_present_password_is_counted_like_signing_in(parley, alice):
    change = {"current_password": "wrong", "new_password": "another secret"}
    statuses = [alice.post(AUTH + "password", change).status for _ in range(21)]
    assert statuses == 20 * [401] + [429]
    assert login(parley.client, alice.email).status == 429


def test_strangers_who_guess_cannot_keep_the_owner_from_changing_the_password(parley, alice):
    for _ in range(12):
        login(parley.client, alice.email, "a guess")
    assert login(parley.client, alice.email).status == 429
    change = {"current_password": alice.password, "new_password": "another secret"}
    assert alice.post(AUTH + "password", change).status == 200


def test_a_sign_in_with_the_old_password_does_not_outlive_its_change(parley):
    """Hashing takes a while: whoever was let in by the old password at that moment is either signed out or refused."""
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25):
        alice = parley.signup()
        old, answers = alice.password, []
        change = {"current_password": old, "new_password": "another secret"}

        def sign_in():
            time.sleep(delay)
            answers.append(login(parley.client, alice.email, old))

        thread = threading.Thread(target=sign_in)
        thread.start()
        while (changed := alice.post(AUTH + "password", change)).status == 503:
            pass
        thread.join()
        assert changed.status == 200
        if answers[0].status == 200:
            token = answers[0].json["refresh_token"]
            assert parley.client.post(AUTH + "refresh", {"refresh_token": token}).status == 401, delay


def test_of_two_password_changes_at_once_one_counts(parley):
    for delay in (0.05, 0.15, 0.25):
        alice = parley.signup()
        statuses = {}

        def change(password, wait):
            time.sleep(wait)
            body = {"current_password": alice.password, "new_password": password}
            client = parley.client
            client.token = alice.token
            while (answer := client.post(AUTH + "password", body)).status == 503:
                time.sleep(0.05)
            statuses[password] = answer.status

        threads = [threading.Thread(target=change, args=pair) for pair in (("first secret", 0), ("second secret", delay))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses.values()) == [200, 401], statuses
        winner = next(password for password, status in statuses.items() if status == 200)
        assert login(parley.client, alice.email, winner).status == 200


# Who calls


def test_a_user_id_beside_the_token_must_be_the_tokens(alice, bob):
    assert alice.get(ME, headers={"X-User-ID": alice.user_id}).status == 200
    assert alice.get(ME, headers={"X-User-ID": alice.user_id.upper()}).status == 200
    for other in (bob.user_id, str(uuid.uuid4()), "root", alice.user_id + "x", alice.user_id[:-1]):
        answer = alice.get(ME, headers={"X-User-ID": other})
        assert (answer.status, answer.problem) == (403, "user_mismatch"), other


def test_a_user_id_in_a_body_must_be_the_tokens(alice, bob):
    assert alice.post("/api/v1/sessions", {"user_id": alice.user_id}).status == 201
    for name in ("user_id", "userId"):
        assert alice.post("/api/v1/sessions", {name: bob.user_id}).problem == "user_mismatch"


def test_a_front_server_is_believed_only_where_that_is_switched_on(parley, alice):
    """The secret alone, from any client, proves nothing by default."""
    for secret in ("", "x", secret_of(parley).decode()):
        assert parley.client.get(ME, headers={"X-User-ID": alice.user_id, "X-Proxy-Secret": secret}).status == 401


def test_a_front_server_proves_itself_by_the_shared_secret(parley):
    with Parley(postgres=parley.postgres) as running:
        path = running.write_secret("front.secret")
        running.configure(trusted_header="on", trusted_header_secret_file=path)
        running.restart()
        user, other = person(running), person(running)
        with open(path) as file:
            secret = file.read()
        trusted = {"X-Proxy-Secret": secret, "X-User-ID": user.user_id}
        client = running.client
        assert client.get(ME, headers=trusted).json["user_id"] == user.user_id
        assert client.post("/api/v1/sessions", {}, headers=trusted).status == 201
        for change in ({"X-Proxy-Secret": None}, {"X-Proxy-Secret": secret[:-1]}, {"X-Proxy-Secret": secret + "x"},
                       {"X-Proxy-Secret": ""}, {"X-User-ID": None}, {"X-User-ID": "root"}):
            assert client.get(ME, headers={**trusted, **change}).status == 401, change
        assert client.get(ME, headers={**trusted, "X-User-ID": str(uuid.uuid4())}).problem == "user_gone"
        assert user.get(ME).status == 200
        assert user.get(ME, headers={"X-User-ID": other.user_id}).status == 403


def test_a_front_server_without_a_secret_is_not_started(parley):
    with Parley(postgres=parley.postgres) as running:
        running.configure(trusted_header="on")
        checked = running.run("check", "-c", running.config)
        assert checked.returncode != 0
        assert "trusted_header_secret_file" in checked.stderr
        assert base64url(secret_of(running)) not in checked.stderr
