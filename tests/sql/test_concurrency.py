"""What many connections do at once. Each thread has a connection of its own and runs until all are done."""
import threading
import time
import uuid

import psycopg2
import pytest

THREADS = 8


@pytest.fixture
def person(postgres):
    """A new person's id."""
    user = str(uuid.uuid4())
    with_claim(postgres, "user_id", user, "select parley.user_create(%s, %s, 'h', null, null)", user, f"{user}@example.org")
    return user


def with_claim(postgres, claim, value, sql, *params):
    """One transaction on a connection of its own; the rows."""
    connection = postgres.connect()
    try:
        return transaction(connection, claim, value, sql, *params)
    finally:
        connection.close()


def transaction(connection, claim, value, sql, *params):
    with connection, connection.cursor() as cursor:
        cursor.execute(f"set local parley.{claim} = %s", [value])
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def together(postgres, work, threads=THREADS):
    """Runs work(connection, number) in threads that start at the same moment; what each answered or raised, sorted by kind."""
    answers, errors, start = [], [], threading.Barrier(threads)

    def run(number):
        connection = postgres.connect()
        try:
            start.wait()
            answers.append(work(connection, number))
        except psycopg2.Error as error:
            errors.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=run, args=[number]) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(60)
    assert len(answers) + len(errors) == threads, "a thread hangs"
    return answers, errors


def create_session(connection, user, per_minute=0, at_most=0):
    session = str(uuid.uuid4())
    transaction(connection, "user_id", user, "select parley.session_create(%s, %s, null, null, null, %s, %s)",
                user, session, per_minute, at_most)
    return session


def append(connection, user, session, parent=None):
    message = str(uuid.uuid4())
    transaction(connection, "user_id", user, "select parley.message_append(%s, %s, %s, 'user', 'Hello', null, null, null, %s)",
                user, session, message, parent)
    return message


def new_session(postgres, user):
    connection = postgres.connect()
    try:
        return create_session(connection, user)
    finally:
        connection.close()


def check_tree(postgres, user, session, count):
    """seq is gapless, and the flags and the session's row are what the tree says."""
    rows = with_claim(postgres, "user_id", user, """
        select seq, message_id, parent_id, on_path, sibling_index, sibling_count from parley.chat_messages
        where user_id = %s and session_id = %s order by seq""", user, session)
    assert [row[0] for row in rows] == list(range(1, count + 1))
    ((last_seq, message_count, leaf),) = with_claim(postgres, "user_id", user, """
        select last_seq, message_count, active_leaf from parley.chat_sessions where user_id = %s and session_id = %s""", user, session)
    parents = {row[1]: row[2] for row in rows}
    path = []
    while leaf:
        path.append(leaf)
        leaf = parents[leaf]
    assert (last_seq, message_count) == (count, len(path))
    assert {row[1] for row in rows if row[3]} == set(path)
    followers = {}
    for _, message, parent, _, index, siblings in rows:
        followers.setdefault(parent, []).append((index, siblings))
    for siblings in followers.values():
        assert siblings == [(i + 1, len(siblings)) for i in range(len(siblings))]


def test_appends_to_one_session_are_gapless(postgres, person):
    session = new_session(postgres, person)
    answers, errors = together(postgres, lambda connection, _: [append(connection, person, session) for _ in range(50)])
    assert not errors
    check_tree(postgres, person, session, THREADS * 50)
    stored = with_claim(postgres, "user_id", person, "select message_id from parley.chat_messages where on_path")
    assert {row[0] for row in stored} == {message for answer in answers for message in answer}


def test_branches_and_switches_at_once_leave_a_sound_tree(postgres, person):
    session = new_session(postgres, person)
    first = with_claim(postgres, "user_id", person, """
        select message_id from parley.message_append(%s, %s, gen_random_uuid(), 'user', 'Hi', null, null, null, null)""",
                       person, session)[0][0]

    def work(connection, number):
        mine = []
        for i in range(20):
            mine.append(append(connection, person, session, (None, first, mine and mine[0] or None)[i % 3]))
            if number % 2:
                transaction(connection, "user_id", person, "select parley.message_activate(%s, %s, %s)", person, session, mine[i // 2])

    _, errors = together(postgres, work)
    assert not errors
    check_tree(postgres, person, session, THREADS * 20 + 1)


def test_sessions_made_and_hidden_at_once_are_counted(postgres, person):
    def work(connection, number):
        for i in range(10):
            session = create_session(connection, person)
            if i % 2:
                transaction(connection, "user_id", person, "select parley.session_hide(%s, %s, '1 day')", person, session)

    _, errors = together(postgres, work)
    assert not errors
    assert with_claim(postgres, "user_id", person, "select session_count from parley.user_usage") == [(THREADS * 5,)]


def test_the_quota_of_sessions_holds(postgres, person):
    answers, errors = together(postgres, lambda connection, _: create_session(connection, person, 0, 3))
    assert len(answers) == 3
    assert {error.diag.message_primary for error in errors} == {"too_many_sessions"}
    assert with_claim(postgres, "user_id", person, "select count(*) from parley.chat_sessions") == [(3,)]


def test_one_of_many_requests_with_a_key_goes_on(postgres, person):
    def work(connection, number):
        with connection, connection.cursor() as cursor:
            cursor.execute("set local parley.user_id = %s", [person])
            cursor.execute("select parley.idempotency_begin(%s, 'key', 'hash', '1 day')", [person])
            cursor.execute("select pg_sleep(0.2)")
            cursor.execute("update parley.idempotency_keys set status = 201, body = %s where user_id = %s", [str(number), person])
        return number

    answers, errors = together(postgres, work)
    assert len(answers) == 1
    assert {(error.pgcode, error.diag.message_primary) for error in errors} == {("PA409", "idempotency_replay")}
    assert with_claim(postgres, "user_id", person, "select status, body from parley.idempotency_keys") == [(201, str(answers[0]))]


def test_a_key_whose_request_failed_is_free(postgres, person):
    """The first request rolls back while others wait for it: exactly one of them goes on."""
    first = postgres.connect()
    with first.cursor() as cursor:
        cursor.execute("set local parley.user_id = %s", [person])
        cursor.execute("select parley.idempotency_begin(%s, 'key', 'hash', '1 day')", [person])
    timer = threading.Timer(0.3, first.rollback)
    timer.start()
    answers, errors = together(postgres, lambda connection, _: transaction(
        connection, "user_id", person, "select parley.idempotency_begin(%s, 'key', 'hash', '1 day')", person))
    timer.join()
    first.close()
    assert len(answers) == 1
    assert {error.pgcode for error in errors} == {"PA409"}


def test_guesses_at_once_are_counted(postgres, person):
    email = f"{person}@example.org"

    def work(connection, _):
        let_through = 0
        for _ in range(5):
            try:
                let_through += len(transaction(connection, "email", email, """
                    select password_hash from parley.login_begin(%s, 10, '15 minutes')""", email))
            except psycopg2.Error as error:
                assert error.pgcode == "PA429"
        return let_through

    answers, errors = together(postgres, work)
    assert not errors
    assert sum(answers) == 10


def test_a_refresh_token_is_used_once(postgres, person):
    """Two clients with the same token: one rotates it, the others are noticed, and the family ends."""
    family = str(uuid.uuid4())
    with_claim(postgres, "user_id", person, """
        insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at)
        values (%s, %s, repeat('0', 64), now() + interval '1 day')""", person, family)
    answers, errors = together(postgres, lambda connection, number: transaction(
        connection, "refresh", family, "select parley.refresh_rotate(%s, %s, repeat('0', 64), repeat(%s, 64), '1 day')",
        person, family, str(number + 1))[0][0])
    assert not errors
    assert sorted(answers) == ["reused", "rotated", *["unknown"] * (THREADS - 2)]


def test_rates_at_once_are_counted(postgres, person):
    def work(connection, _):
        taken = 0
        for _ in range(5):
            try:
                transaction(connection, "user_id", person, "select parley.rate_take(%s, 'requests', 1, 10)", person)
                taken += 1
            except psycopg2.Error as error:
                assert error.pgcode == "PA429"
        return taken

    if time.time() % 60 > 55:
        time.sleep(5)  # not over the end of a minute, when counting begins anew
    answers, errors = together(postgres, work)
    assert not errors
    assert sum(answers) == 10


def test_one_address_is_registered_once(postgres):
    email = f"{uuid.uuid4()}@example.org"

    def work(connection, _):
        user = str(uuid.uuid4())
        transaction(connection, "user_id", user, "select parley.user_create(%s, %s, 'h', null, null)", user, email)

    answers, errors = together(postgres, work)
    assert len(answers) == 1
    assert {(error.pgcode, error.diag.message_primary) for error in errors} == {("PA409", "email_taken")}


def test_leaving_while_sessions_are_made_leaves_nothing(postgres, person):
    """Deadlocks are the database's to find and the program's to run again; what must not be is a row that stays."""
    def work(connection, number):
        if number == 0:
            return transaction(connection, "user_id", person, "select parley.user_delete(%s)", person)
        for _ in range(20):
            append(connection, person, create_session(connection, person))

    _, errors = together(postgres, work)
    assert {error.pgcode for error in errors} <= {"PA401", "PA404", "23503", "40P01"}
    with_claim(postgres, "user_id", person, "select parley.user_delete(%s)", person)
    for table in ("users", "user_emails", "user_usage", "chat_sessions", "chat_messages"):
        assert with_claim(postgres, "user_id", person, f"select count(*) from parley.{table}") == [(0,)]
