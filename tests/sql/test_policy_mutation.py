"""Breaks each policy in every way that would let somebody see or do more, or less, and demands that isolation.sql notices.

In a throw-away copy of the database, in one transaction: the rows of isolation.sql are made once, each break is rolled
back with the tests that saw it.
"""
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "isolation.sql")) as file:
    # Up to its end, so that the failures can be counted before the rollback.
    ROWS, _, TESTS = file.read().partition("select * from finish();")[0].partition("-- The tests proper")
TESTS = "--" + TESTS

# Policies whose condition is `true`, and why. They are dropped and widened to everybody, but cannot be loosened.
OPEN = {
    "helpers_anyone_select": "helpers are the same for everybody",
    "helpers_admin_insert": "to the owner of the schema alone",
    "helpers_admin_update": "to the owner of the schema alone",
    "helpers_admin_delete": "to the owner of the schema alone",
    "schema_migrations_reader": "the schema's version is no secret",
    "schema_migrations_owner_adds": "to the owner of the schema alone",
    "schema_migrations_owner_updates": "to the owner of the schema alone",
}


def split(text, word):
    """The operands of a deparsed AND or OR at the top of an expression: '((a) OR (b))' -> ['(a)', '(b)']."""
    text = unwrap(text)
    operands, depth, start = [], 0, 0
    for match in re.finditer(rf"'(?:[^']|'')*'|[()]| {word} ", text):
        token = match.group()
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token == f" {word} ":
            operands.append(text[start:match.start()])
            start = match.end()
    return [*operands, text[start:]]


def unwrap(text):
    """Takes away the parentheses around a whole expression."""
    while text.startswith("(") and text.endswith(")"):
        depth = 0
        for position, char in enumerate(text):
            depth += {"(": 1, ")": -1}.get(char, 0)
            if depth == 0:
                break
        if position < len(text) - 1:
            break
        text = text[1:-1]
    return text


def weaker_and_stronger(text):
    """Each condition without one of its parts."""
    case = re.fullmatch(r"CASE (.*)\sWHEN (.*)\sTHEN (.*)\sELSE (.*)\sEND", unwrap(text), re.S)
    if case:
        subject, value, then, otherwise = (part.strip() for part in case.groups())
        yield f"case {subject} when {value} then true else {otherwise} end"
        yield f"case {subject} when {value} then {then} else true end"
        yield then
        yield otherwise
        return
    ways = split(text, "OR")
    for i, way in enumerate(ways):
        rest = ways[:i] + ways[i + 1:]
        if rest:
            yield " or ".join(rest)
        parts = split(way, "AND")
        for j in range(len(parts) if len(parts) > 1 else 0):
            yield " or ".join([*rest, "(" + " and ".join(parts[:j] + parts[j + 1:]) + ")"])


def breaks(policy):
    """(what, SQL) for each way to break a policy."""
    table, name, command, to_all, using, check = policy
    on = f"{name} on parley.{table}"
    yield "dropped", f"drop policy {on}"
    if not to_all:
        yield "widened to everybody", f"alter policy {on} to public"
    for clause, text in (("using", using), ("with check", check)):
        if text is None or name in OPEN:
            continue
        yield f"{clause} true", f"alter policy {on} {clause} (true)"
        for other in weaker_and_stronger(text):
            yield f"{clause} {other}", f"alter policy {on} {clause} ({other})"
    if using and check and name not in OPEN:
        yield "using and with check true", f"alter policy {on} using (true) with check (true)"


@pytest.fixture(scope="module")
def copy(postgres):
    """A connection to the copy, in a transaction in which all is ready for TESTS."""
    postgres.create_database("mutants", template="tap")
    connection = postgres.connect("postgres", "mutants")
    with connection.cursor() as cursor:
        cursor.execute(ROWS.replace("begin;", "", 1))
    yield connection
    connection.close()
    postgres.drop_database("mutants")


def failures(connection, table, sql="select"):
    """How many tests of the table fail once the SQL has been run."""
    with connection.cursor() as cursor:
        cursor.execute("savepoint whole")
        cursor.execute(sql)
        cursor.execute("select set_config('tap.table', %s, true), tap._get('curr_test')", [table])
        before = cursor.fetchone()[1]
        cursor.execute(TESTS)
        cursor.execute("select tap._get('curr_test'), tap.num_failed()")
        run, failed = cursor.fetchone()
        cursor.execute("rollback to savepoint whole")
    assert run - before >= 14
    return failed


def test_every_policy_is_missed(copy):
    with copy.cursor() as cursor:
        cursor.execute("""
            select c.relname, p.polname, p.polcmd, p.polroles = '{0}', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
            from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = 'parley'::regnamespace order by 1, 2""")
        policies = cursor.fetchall()
    assert len(policies) > 50
    assert set(OPEN) == {name for _, name, _, _, using, check in policies if "true" in (using, check)}
    assert {table: failures(copy, table) for table, *_ in policies} == {table: 0 for table, *_ in policies}
    unseen, tried = [], 0
    for policy in policies:
        for what, sql in breaks(policy):
            tried += 1
            if failures(copy, policy[0], sql) == 0:
                unseen.append(f"{policy[1]}: {what}")
    assert not unseen, f"{len(unseen)} of {tried} breaks were not seen:\n" + "\n".join(unseen)
    print(f"{tried} breaks of {len(policies)} policies seen")
