"""Many people at once, on connections that are shared by all of them, while clients give up in the middle and the database drops connections or
answers too late: nobody ever gets a word of another.
"""
import collections
import contextlib
import multiprocessing
import os
import random
import signal
import threading
import time

from load import people
from parley import Parley
from wanderer import Wanderer, check_rows, gather, prepare

PEOPLE, PROCESSES, THREADS = 50, 2, 7
REQUESTS = 21000  # with a whole answer; the given up come on top
DATABASE_TIMEOUT = 500


def wander(number, parley, crowd, everybody, pipe):
    """A process of its own: its share of the people, and of the requests."""
    wanderers = [Wanderer(number * THREADS + i, parley, crowd, everybody, REQUESTS // PROCESSES // THREADS + 1) for i in range(THREADS)]
    for wanderer in wanderers:
        wanderer.start()
    for wanderer in wanderers:
        wanderer.join()
    pipe.send(gather(wanderers, crowd))


def disturb(postgres, going):
    """Ends connections of Parley at random, or lets one say nothing for longer than is waited for, until told to stop."""
    with contextlib.closing(postgres.connect("postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            while going["on"]:
                cursor.execute("select pid from pg_stat_activity where usename = 'parley_app' order by random() limit 1")
                for pid, in cursor.fetchall():
                    if random.random() < 0.1:
                        going["stopped"] += stop_for_a_while(pid)
                    else:
                        cursor.execute("select pg_terminate_backend(%s)", (pid,))
                        going["dropped"] += cursor.fetchone()[0]
                time.sleep(random.uniform(0.01, 0.08))


def stop_for_a_while(pid):
    """What it says afterwards was not waited for: it must not be taken for the answer to something else."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(1.5 * DATABASE_TIMEOUT / 1000)
        finally:
            os.kill(pid, signal.SIGCONT)
        return True
    return False


def run(parley, crowd, then):
    """All processes, and `then` when they are forked, for a thread must not be there before; answers what they found, together."""
    fork = multiprocessing.get_context("fork")
    pipes, processes = [], []
    prepare(crowd)
    for number in range(PROCESSES):
        mine, theirs = fork.Pipe(False)
        process = fork.Process(target=wander, args=(number, parley, crowd[number::PROCESSES], crowd, theirs))
        process.start()
        theirs.close()
        pipes.append(mine)
        processes.append(process)
    then()
    try:
        found = [pipe.recv() for pipe in pipes]
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    return {
        "mixed": [text for part in found for text in part["mixed"]],
        "statuses": sum((part["statuses"] for part in found), collections.Counter()),
        "kept": [row for part in found for row in part["kept"]],
        "sessions": {user: sessions for part in found for user, sessions in part["sessions"].items()},
    }


def test_nobody_sees_or_owns_anothers_words(postgres):
    options = {"workers": 5, "quota_requests_per_minute": 1000, "database_timeout": DATABASE_TIMEOUT,
               "database": f"host={postgres.folder} user=parley_app dbname=parley options='-c synchronous_commit=off'"}
    with Parley(options, postgres=postgres) as parley, parley.expecting("5xx"):
        crowd = people(parley, PEOPLE)
        going = {"on": True, "dropped": 0, "stopped": 0}
        begin = time.monotonic()
        disturber = threading.Thread(target=disturb, args=(postgres, going))
        try:
            found = run(parley, crowd, disturber.start)
        finally:
            going["on"] = False
            disturber.join()
        seconds = time.monotonic() - begin
        total = sum(found["statuses"].values())
        print(f"{total} answers in {seconds:.1f} s, {going['dropped']} connections dropped, {going['stopped']} stopped:",
              dict(sorted(found["statuses"].items())))
        assert not found["mixed"], found["mixed"][:3]
        assert total >= 20000 and going["dropped"] > 20 and going["stopped"] > 2
        assert 0 < found["statuses"][503] < total / 5
        check_rows(postgres, crowd, found)
