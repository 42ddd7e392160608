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


def begin_turn(connection, user, session, running=0, lease=20):
    """Begins a turn; its id."""
    turn = str(uuid.uuid4())
    transaction(connection, "user_id", user, """
        select parley.turn_begin(%s, %s, false, null, null, null, 'Hello', null, %s, gen_random_uuid(), gen_random_uuid(),
            make_interval(secs => %s), 0, 0, 0, %s, 0)""", user, session, turn, lease, running)
    return turn


CHECKPOINT = "select parley.turn_checkpoint(%s, %s, '[{\"id\": 4, \"type\": \"token\", \"data\": {\"content\": \"Half\"}}]', '20 s')"
FINISH = "select parley.turn_finish(%s, %s, null, 'complete', 'Whole', null, 'stop', null, null, 2, 1, false)"


def new_turns(postgres, user, count, lease=20):
    """(session, turn) of turns that run, each in a session of its own."""
    connection = postgres.connect()
    try:
        sessions = [create_session(connection, user) for _ in range(count)]
        return [(session, begin_turn(connection, user, session, lease=lease)) for session in sessions]
    finally:
        connection.close()


def lose(postgres, user, turn):
    """The turn has saved a text, and then its lease is over."""
    with_claim(postgres, "user_id", user, CHECKPOINT, user, turn)
    with_claim(postgres, "user_id", user, "update parley.turns set lease_until = now() - interval '1 second' where user_id = %s", user)


def test_of_turns_begun_at_once_in_a_session_one_runs(postgres, person):
    session = new_session(postgres, person)
    answers, errors = together(postgres, lambda connection, _: begin_turn(connection, person, session))
    assert len(answers) == 1
    assert {(error.pgcode, error.diag.message_primary) for error in errors} == {("PA409", "turn_in_progress")}
    check_tree(postgres, person, session, 2)


def test_of_turns_begun_at_once_after_a_lost_one_one_runs(postgres, person):
    ((session, lost),) = new_turns(postgres, person, 1)
    lose(postgres, person, lost)
    answers, errors = together(postgres, lambda connection, _: begin_turn(connection, person, session))
    assert len(answers) == 1
    assert {(error.pgcode, error.diag.message_primary) for error in errors} == {("PA409", "turn_in_progress")}
    assert with_claim(postgres, "user_id", person, "select status from parley.turns where turn_id = %s", lost) == [("interrupted",)]
    check_tree(postgres, person, session, 4)


def test_the_quota_of_running_turns_holds(postgres, person):
    sessions = [new_session(postgres, person) for _ in range(THREADS)]
    answers, errors = together(postgres, lambda connection, number: begin_turn(connection, person, sessions[number], running=3))
    assert len(answers) == 3
    assert {(error.pgcode, error.diag.message_primary) for error in errors} == {("PA429", "turns_running")}


def ends(postgres, user, turn):
    """What the one turn of a person left: its status, its answer's text and status, how many events end it, tokens counted."""
    (row,) = with_claim(postgres, "user_id", user, """
        select t.status, m.content, m.status, (select count(*) from parley.turn_events e
                where e.user_id = t.user_id and e.turn_id = t.turn_id and e.type in ('done', 'error')),
            t.prompt_tokens + t.completion_tokens = u.total_tokens and u.total_tokens = s.prompt_tokens + s.completion_tokens
            and u.total_tokens = r.used
        from parley.turns t join parley.chat_messages m using (user_id, session_id, message_id)
        join parley.chat_sessions s using (user_id, session_id)
        join parley.user_usage u using (user_id) join parley.user_rates r using (user_id)
        where t.user_id = %s and t.turn_id = %s and r.kind = 'tokens'""", user, turn)
    return row


def test_a_lost_turn_is_ended_once(postgres, person):
    ((session, turn),) = new_turns(postgres, person, 1)
    lose(postgres, person, turn)
    _, errors = together(postgres, lambda connection, _: transaction(
        connection, "user_id", person, "select parley.turn_settle(%s, %s)", person, session))
    assert not errors
    assert ends(postgres, person, turn) == ("interrupted", "Half", "interrupted", 1, True)


def test_a_late_end_a_reader_and_a_new_turn_do_not_wait_for_one_another(postgres, person):
    """A deadlock would be mended by running again; locks in one order need no mending."""
    for _ in range(10):
        user = str(uuid.uuid4())
        with_claim(postgres, "user_id", user, "select parley.user_create(%s, %s, 'h', null, null)", user, f"{user}@example.org")
        ((session, turn),) = new_turns(postgres, user, 1)
        lose(postgres, user, turn)

        def work(connection, number):
            if number == 0:
                return transaction(connection, "user_id", user, FINISH, user, turn)[0][0]
            if number == 1:
                return begin_turn(connection, user, session)
            return transaction(connection, "user_id", user, "select parley.turn_settle(%s, %s)", user, session) and None

        answers, errors = together(postgres, work, 4)
        assert not errors
        status, content, message_status, last_words, counted = ends(postgres, user, turn)
        assert (status, message_status, counted) == (status, status, True)
        if "saved" in answers:
            assert (status, content, last_words) == ("complete", "Whole", 0)
        else:
            assert "gone" in answers and (status, content, last_words) == ("interrupted", "Half", 1)
        check_tree(postgres, user, session, 4)


@pytest.mark.parametrize("order, relays, people", [("sorted", 4, 30), ("opposite", 2, 10)])
def test_batches_of_relays_over_the_same_people(postgres, order, relays, people):
    """Each relay ends a turn of each person in one transaction. In the order of the persons they only wait; in another the
    database may pick one to be run again, which then does all of its work."""
    users = sorted(str(uuid.uuid4()) for _ in range(people))
    turns = [{} for _ in range(relays)]
    for user in users:
        with_claim(postgres, "user_id", user, "select parley.user_create(%s, %s, 'h', null, null)", user, f"{user}@example.org")
        for mine, (_, turn) in zip(turns, new_turns(postgres, user, relays)):
            mine[user] = turn

    def batch(connection, number, sql):
        mine = users if order == "sorted" or number % 2 else users[::-1]
        with connection, connection.cursor() as cursor:
            for user in mine:
                cursor.execute("set local parley.user_id = %s", [user])
                cursor.execute(sql, [user, turns[number][user]])
                assert cursor.fetchone()[0] in ("go", "saved")

    def work(connection, number):
        again = 0
        for sql in (CHECKPOINT, FINISH):
            while True:
                try:
                    batch(connection, number, sql)
                    break
                except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable):
                    again += 1
        return again

    answers, errors = together(postgres, work, relays)
    assert not errors
    assert order == "opposite" or answers == [0] * relays
    for user in users:
        assert with_claim(postgres, "user_id", user, """
            select u.total_tokens, r.used, (select count(*) from parley.turns where status = 'complete') from parley.user_usage u
            join parley.user_rates r using (user_id) where r.kind = 'tokens'""") == [(3 * relays, 3 * relays, relays)]


def test_leaving_while_turns_run_leaves_nothing(postgres, person):
    """Relays are told, or run again what the database picked; what must not be is a row that stays."""
    turns = new_turns(postgres, person, THREADS)

    def work(connection, number):
        if number == 0:
            return transaction(connection, "user_id", person, "select parley.user_delete(%s)", person) and "left"
        transaction(connection, "user_id", person, CHECKPOINT, person, turns[number][1])
        return transaction(connection, "user_id", person, FINISH, person, turns[number][1])[0][0]

    answers, errors = together(postgres, work)
    assert set(answers) <= {"left", "saved", "gone"}
    assert {error.pgcode for error in errors} <= {"23503", "40P01", "55P03"}
    with_claim(postgres, "user_id", person, "select parley.user_delete(%s)", person)
    for table in ("chat_sessions", "chat_messages", "turns", "turn_events", "user_usage", "user_rates"):
        assert with_claim(postgres, "user_id", person, f"select count(*) from parley.{table}") == [(0,)]


@pytest.mark.parametrize("end", ["select parley.project_delete(%(owner)s, %(project)s)", "select parley.user_delete(%(owner)s)",
                                 "select parley.project_part(%(owner)s, %(project)s, %(member)s)"])
def test_nobody_joins_a_project_that_is_being_removed_or_that_they_are_removed_from(postgres, person, end):
    member, project = str(uuid.uuid4()), str(uuid.uuid4())
    with_claim(postgres, "user_id", member, "select parley.user_create(%s, %s, 'h', null, null)", member, f"{member}@example.org")
    with_claim(postgres, "user_id", person, "select parley.project_create(%s, %s, 'P', null)", person, project)
    removing, joined, sql = postgres.connect(), [], "select parley.project_join(%s, %s, %s, 1)"
    with_claim(postgres, "user_id", member, sql, member, person, project)

    def join():
        try:
            joined.append(with_claim(postgres, "user_id", member, sql, member, person, project))
        except psycopg2.Error as error:
            joined.append(error.pgcode)

    with removing.cursor() as cursor:
        cursor.execute("set local parley.user_id = %s", [person])
        cursor.execute(end, {"owner": person, "project": project, "member": member})
        thread = threading.Thread(target=join)
        thread.start()
        time.sleep(0.3)
        removing.commit()
    thread.join(10)
    removing.close()
    assert joined == ["PA404"]
    assert with_claim(postgres, "user_id", member, "select count(*) from parley.user_projects") == [(0,)]
