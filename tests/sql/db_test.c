/*
 * The promises of the database layer, against a real server that PGHOST (a folder), PGPORT, PGDATABASE and PGUSER name.
 * It may make and drop schema db_test there. Every test runs twice: with prepared statements and without; `db_test
 * unnamed` does only the latter, as an old PgBouncer needs it.
 */
#undef _FORTIFY_SOURCE /* send and recv are replaced below, to count them */
#include "db/db.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "proxy.h"

#define ADD_TEST(suite, test) CU_add_test((suite), #test, (test))
#define ALICE                 "0190a5c0-0000-7000-8000-00000000000a"
#define BOB                   "0190a5c0-0000-7000-8000-00000000000b"

static struct settings settings = {.database = "", .database_timeout_ms = 3000};
static struct settings proxied = {.database_timeout_ms = 1000};
static char proxied_conninfo[128];
static struct db *db;    /* what is tested */
static struct db *other; /* looks at it from beside */
static struct arena *arena;
static struct fault fault;
static unsigned sends;
static unsigned recvs;

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    sends++;
    return syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
    recvs++;
    return syscall(SYS_recvfrom, fd, bytes, n, flags, NULL, NULL);
}

/* An empty transaction of `db`, with the faults of the one before forgotten. */
static struct db_tx new_tx(void)
{
    struct db_tx tx;
    fault = (struct fault){0};
    db_tx_init(&tx, arena);
    return tx;
}

/* The first value that a query without parameters answers, in a transaction of its own. */
static const char *value_of(struct db *of, enum query query)
{
    struct db_tx tx;
    struct fault unused = {0};
    db_tx_init(&tx, arena);
    const struct db_rows *rows = db_add_params(&tx, query, NULL, 0);
    if (db_run(of, &tx, DB_COMMIT, &unused) != ST_OK || !rows->count)
        return "nothing";
    return row_text(rows, 0, 0);
}

static long total(void)
{
    return atol(value_of(other, QUERY_TOTAL));
}

/* One row more, in a transaction of its own. */
static enum status add_row(const char *id, const char *of)
{
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, id, of);
    return db_run(db, &tx, DB_COMMIT, &fault);
}

static void end_session_of(struct db *victim)
{
    struct db_tx tx;
    struct fault unused = {0};
    db_tx_init(&tx, arena);
    db_add(&tx, QUERY_END_OTHER, value_of(victim, QUERY_PID));
    CU_ASSERT_EQUAL(db_run(other, &tx, DB_COMMIT, &unused), ST_OK);
}

static void db_runs_a_transaction_in_one_round_trip(void)
{
    for (int round = 0; round < 2; round++) {
        struct db_tx tx = new_tx();
        db_tx_claim(&tx, DB_CLAIM_USER, ALICE);
        const struct db_rows *claim = db_add_params(&tx, QUERY_CLAIM, NULL, 0);
        const struct db_rows *echo = db_add(&tx, QUERY_ECHO, "one");
        const struct db_rows *again = db_add(&tx, QUERY_ECHO, "two");
        sends = recvs = 0;
        CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
        CU_ASSERT_STRING_EQUAL(row_text(claim, 0, 0), ALICE);
        CU_ASSERT_STRING_EQUAL(row_text(echo, 0, 0), "one");
        CU_ASSERT_STRING_EQUAL(row_text(again, 0, 0), "two");
    }
    /* One look whether the server is there, one message out, one in. */
    CU_ASSERT_EQUAL(sends, 1);
    CU_ASSERT_EQUAL(recvs, 2);
}

static void db_claim_does_not_outlive_its_transaction(void)
{
    struct db_tx tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_USER, ALICE);
    db_add_params(&tx, QUERY_CLAIM, NULL, 0);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_CLAIM), "");

    tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_USER, BOB);
    db_add(&tx, QUERY_DIVIDE, "0");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INVALID);
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_CLAIM), "");
}

static void db_claim_is_a_uuid_or_quoted(void)
{
    static const char email[] = "o'brien\\'; select 1 --@example.org";
    struct db_tx tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_EMAIL, email);
    const struct db_rows *rows = db_add_params(&tx, QUERY_CLAIM, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 1), email);

    tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_USER, ALICE "'; select 1 --");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INTERNAL);
    tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_EMAIL, "bad \xff utf-8");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INTERNAL);
}

static void db_error_in_the_middle_stores_nothing_and_leaves_the_connection_usable(void)
{
    uint64_t connects = db_counts(db)->connects;
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    db_add(&tx, QUERY_DIVIDE, "0");
    db_add(&tx, QUERY_ECHO, "skipped");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INVALID);
    CU_ASSERT_EQUAL(total(), 0);
    CU_ASSERT_EQUAL(add_row("1", NULL), ST_OK);
    CU_ASSERT_EQUAL(total(), 1);
    CU_ASSERT_EQUAL(add_row("1", NULL), ST_CONFLICT);
    CU_ASSERT_EQUAL(db_counts(db)->connects, connects);
}

static void db_error_at_commit_stores_nothing(void)
{
    CU_ASSERT_EQUAL(add_row("1", "99"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(total(), 0);
    CU_ASSERT_EQUAL(add_row("1", "1"), ST_OK);
}

static void db_wrong_sql_is_our_defect(void)
{
    struct db_tx tx = new_tx();
    db_add_params(&tx, QUERY_MISSPELT, NULL, 0);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INTERNAL);
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_TOTAL), "0");
}

static void db_statement_may_refuse_with_a_code(void)
{
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_REFUSE, "PA429", "too_many_turns", "Wait a little.", "17");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_TOO_MANY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fault.code);
    CU_ASSERT_STRING_EQUAL(fault.code, "too_many_turns");
    CU_ASSERT_STRING_EQUAL(fault.detail, "Wait a little.");
    CU_ASSERT_EQUAL(fault.retry_after, 17);
}

static void db_misuse_is_told_and_sends_nothing(void)
{
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ECHO, "one", "too many");
    sends = 0;
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INTERNAL);
    tx = new_tx();
    for (int i = 0; i <= DB_STATEMENTS_MAX; i++)
        db_add(&tx, QUERY_ECHO, "one");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INTERNAL);
    CU_ASSERT_EQUAL(sends, 0);
}

static void db_carries_as_much_as_fits(void)
{
    char *big = malloc(2000001);
    memset(big, 'x', 2000000);
    big[2000000] = '\0';
    struct db_tx tx = new_tx();
    const struct db_rows *rows = NULL;
    for (int i = 0; i < DB_STATEMENTS_MAX; i++)
        rows = db_add(&tx, QUERY_ECHO, big);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_EQUAL(row_length(rows, 0, 0), 2000000);
    CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 0), big);
    free(big);
}

static void db_runs_a_serialization_failure_again(void)
{
    static const struct {
        const char *sqlstate, *often, *tries;
        enum status status;
    } cases[] = {{"40001", "2", "3", ST_OK},
                 {"40P01", "3", "4", ST_OK},
                 {"40001", "9", "4", ST_UNAVAILABLE},
                 {"PA409", "9", "1", ST_CONFLICT}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        value_of(other, QUERY_RESTART_TRIES);
        struct db_tx tx = new_tx();
        db_add(&tx, QUERY_FLAKY, cases[i].sqlstate, cases[i].often);
        CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), cases[i].status);
        CU_ASSERT_STRING_EQUAL(value_of(other, QUERY_TRIES), cases[i].tries);
    }
}

static void db_held_transaction_goes_on(void)
{
    struct db_tx tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_USER, ALICE);
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    CU_ASSERT_EQUAL(total(), 0);
    const struct db_rows *claim = db_add_params(&tx, QUERY_CLAIM, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(row_text(claim, 0, 0), ALICE);
    db_add(&tx, QUERY_ADD, "2", NULL);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_EQUAL(tx.statement[0].rows->affected, 1);
    CU_ASSERT_EQUAL(total(), 2);
}

static void db_held_transaction_is_rolled_back(void)
{
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    db_rollback(db);
    CU_ASSERT_EQUAL(total(), 0);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_UNAVAILABLE);
    CU_ASSERT_EQUAL(total(), 0);

    tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    db_add(&tx, QUERY_DIVIDE, "0");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_INVALID);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_UNAVAILABLE);
    CU_ASSERT_EQUAL(total(), 0);
    CU_ASSERT_EQUAL(add_row("1", NULL), ST_OK);
}

static void db_held_transaction_that_was_left_is_nobody_elses(void)
{
    /* The same storage, as on the stack of the next request. */
    struct db_tx tx = new_tx();
    db_tx_claim(&tx, DB_CLAIM_USER, ALICE);
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    tx = new_tx();
    const struct db_rows *claim = db_add_params(&tx, QUERY_CLAIM, NULL, 0);
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(row_text(claim, 0, 0), "");
    CU_ASSERT_EQUAL(total(), 0);
}

static void db_held_transaction_that_was_lost_stores_nothing(void)
{
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    const struct db_rows *pid = db_add_params(&tx, QUERY_PID, NULL, 0);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_HOLD, &fault), ST_OK);
    struct db_tx end = new_tx();
    db_add(&end, QUERY_END_OTHER, row_text(pid, 0, 0));
    CU_ASSERT_EQUAL(db_run(other, &end, DB_COMMIT, &fault), ST_OK);
    db_add(&tx, QUERY_ADD, "2", NULL);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_UNAVAILABLE);
    CU_ASSERT_EQUAL(total(), 0);
    CU_ASSERT_EQUAL(add_row("1", NULL), ST_OK);
}

static void db_prepares_again_what_was_forgotten(void)
{
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_TOTAL), "0");
    uint64_t retries = db_counts(db)->retries;
    if (settings.prepared)
        value_of(db, QUERY_FORGET);
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_TOTAL), "0");
    CU_ASSERT_EQUAL(db_counts(db)->retries, retries + settings.prepared);
    CU_ASSERT_STRING_EQUAL(value_of(db, QUERY_TOTAL), "0");

    value_of(db, QUERY_ALL_THINGS);
    value_of(other, QUERY_WIDEN_THINGS);
    struct db_tx tx = new_tx();
    db_add_params(&tx, QUERY_ALL_THINGS, NULL, 0);
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    value_of(other, QUERY_NARROW_THINGS);
}

static void db_late_answer_is_nobody_elses(void)
{
    int64_t start = clock_monotonic_ms();
    settings.database_timeout_ms = 200;
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_SLEEP, "1");
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fault.code);
    CU_ASSERT_STRING_EQUAL(fault.code, "outcome_unknown");
    CU_ASSERT(clock_monotonic_ms() - start < 400);
    CU_ASSERT_EQUAL(db_socket(db), -1);
    settings.database_timeout_ms = 3000;

    tx = new_tx();
    const struct db_rows *rows = db_add(&tx, QUERY_ECHO, "mine");
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 0), "mine");
}

static void db_server_restarted_while_idle_costs_nothing(void)
{
    uint64_t connects = db_counts(db)->connects;
    uint64_t retries = db_counts(db)->retries;
    end_session_of(db);
    CU_ASSERT_EQUAL(add_row("1", NULL), ST_OK);
    CU_ASSERT_EQUAL(total(), 1);
    CU_ASSERT(db_counts(db)->connects <= connects + 1); /* none behind a pooler */
    CU_ASSERT_EQUAL(db_counts(db)->retries, retries);
}

static void db_session_ended_before_commit_is_run_again(void)
{
    uint64_t retries = db_counts(db)->retries;
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    db_add(&tx, QUERY_END_SELF, value_of(db, QUERY_PID));
    CU_ASSERT_EQUAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_EQUAL(total(), 1);
    CU_ASSERT_EQUAL(db_counts(db)->retries, retries + 1);
}

static void db_rows_read_as_what_they_are(void)
{
    struct uuid uuid;
    struct db_tx tx = new_tx();
    const struct db_rows *rows = db_add_params(&tx, QUERY_VALUES, NULL, 0);
    const struct db_rows *session = db_add_params(&tx, QUERY_SESSION, NULL, 0);
    tx.read_only = true;
    CU_ASSERT_EQUAL_FATAL(db_run(db, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_EQUAL_FATAL(rows->count, 1);
    CU_ASSERT(row_is_null(rows, 0, 0));
    CU_ASSERT_PTR_NULL(row_text(rows, 0, 0));
    CU_ASSERT_EQUAL(row_int(rows, 0, 0), 0);
    CU_ASSERT_FALSE(row_bool(rows, 0, 0));
    CU_ASSERT_FALSE(row_uuid(rows, 0, 0, &uuid));
    CU_ASSERT_PTR_NULL(row_time(rows, 0, 0));
    CU_ASSERT_EQUAL(row_int(rows, 0, 1), 42);
    CU_ASSERT_EQUAL(row_int(rows, 0, 2), -7);
    CU_ASSERT(row_bool(rows, 0, 3));
    CU_ASSERT_FALSE(row_bool(rows, 0, 4));
    CU_ASSERT(row_uuid(rows, 0, 5, &uuid));
    CU_ASSERT_STRING_EQUAL(uuid.text, "0190a5c0-0000-7000-8000-000000000001");
    CU_ASSERT_STRING_EQUAL(row_time(rows, 0, 6), "2026-01-31T12:00:00.120000Z");
    CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 6), "2026-01-31 12:00:00.12+00");
    CU_ASSERT_STRING_EQUAL(row_time(rows, 0, 7), "2026-01-31T12:00:00.000000Z");
    CU_ASSERT_STRING_EQUAL(row_time(rows, 0, 8), "infinity");
    CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 9), "größer");
    CU_ASSERT_EQUAL(row_length(rows, 0, 9), strlen("größer"));
    CU_ASSERT_STRING_EQUAL(row_text(session, 0, 0), "UTC");
    CU_ASSERT_STRING_EQUAL(row_text(session, 0, 1), "UTF8");
    CU_ASSERT_STRING_EQUAL(row_text(session, 0, 2), "parley");
    CU_ASSERT_STRING_EQUAL(row_text(session, 0, 3), "on");
}

static void db_lost_answer_of_a_write_is_told_as_unknown(void)
{
    struct db *far = db_new(&proxied);
    CU_ASSERT_EQUAL_FATAL(db_connect(far), ST_OK);
    proxy_set(PROXY_CUT_ANSWER);
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL(db_run(far, &tx, DB_COMMIT, &fault), ST_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fault.code);
    CU_ASSERT_STRING_EQUAL(fault.code, "outcome_unknown");
    /* It was stored indeed, and once. */
    CU_ASSERT_EQUAL(total(), 1);
    CU_ASSERT_EQUAL(db_counts(far)->retries, 0);
    db_free(far);
}

static void db_lost_answer_is_asked_for_again_when_nothing_was_stored(void)
{
    struct db *far = db_new(&proxied);
    for (enum proxy_mode mode = PROXY_CUT_ANSWER; mode <= PROXY_CUT_REQUEST; mode++) {
        CU_ASSERT_EQUAL_FATAL(db_connect(far), ST_OK);
        proxy_set(mode);
        struct db_tx tx = new_tx();
        tx.read_only = true;
        const struct db_rows *rows = db_add(&tx, QUERY_ECHO, "again");
        CU_ASSERT_EQUAL_FATAL(db_run(far, &tx, DB_COMMIT, &fault), ST_OK);
        CU_ASSERT_STRING_EQUAL(row_text(rows, 0, 0), "again");
    }
    /* A write whose COMMIT was not sent yet. */
    proxy_set(PROXY_CUT_ANSWER);
    struct db_tx tx = new_tx();
    db_add(&tx, QUERY_ADD, "1", NULL);
    CU_ASSERT_EQUAL(db_run(far, &tx, DB_HOLD, &fault), ST_OK);
    CU_ASSERT_EQUAL(db_run(far, &tx, DB_COMMIT, &fault), ST_OK);
    CU_ASSERT_EQUAL(total(), 1);
    CU_ASSERT_EQUAL(db_counts(far)->retries, 3);
    db_free(far);
}

static void db_silent_server_is_not_waited_for_longer_than_said(void)
{
    int64_t start = clock_monotonic_ms();
    struct db *far = db_new(&proxied);
    proxy_set(PROXY_SILENT);
    CU_ASSERT_EQUAL(db_connect(far), ST_UNAVAILABLE);
    CU_ASSERT(clock_monotonic_ms() - start < 1300);
    CU_ASSERT_EQUAL(db_socket(far), -1);
    proxy_set(PROXY_PASS);
    CU_ASSERT_EQUAL(db_connect(far), ST_OK);
    db_free(far);

    static const struct settings nowhere = {.database = "host=/nonexistent", .database_timeout_ms = 1000};
    far = db_new(&nowhere);
    CU_ASSERT_EQUAL(db_connect(far), ST_UNAVAILABLE);
    db_free(far);
}

static void before_each(void)
{
    arena = arena_new(64U << 20);
    value_of(other, QUERY_CLEAR);
}

static void after_each(void)
{
    arena_free(arena);
}

static void add_suite(const char *name, CU_InitializeFunc init)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown(name, init, NULL, before_each, after_each);
    ADD_TEST(suite, db_runs_a_transaction_in_one_round_trip);
    ADD_TEST(suite, db_claim_does_not_outlive_its_transaction);
    ADD_TEST(suite, db_claim_is_a_uuid_or_quoted);
    ADD_TEST(suite, db_error_in_the_middle_stores_nothing_and_leaves_the_connection_usable);
    ADD_TEST(suite, db_error_at_commit_stores_nothing);
    ADD_TEST(suite, db_wrong_sql_is_our_defect);
    ADD_TEST(suite, db_statement_may_refuse_with_a_code);
    ADD_TEST(suite, db_misuse_is_told_and_sends_nothing);
    ADD_TEST(suite, db_carries_as_much_as_fits);
    ADD_TEST(suite, db_runs_a_serialization_failure_again);
    ADD_TEST(suite, db_held_transaction_goes_on);
    ADD_TEST(suite, db_held_transaction_is_rolled_back);
    ADD_TEST(suite, db_held_transaction_that_was_left_is_nobody_elses);
    ADD_TEST(suite, db_held_transaction_that_was_lost_stores_nothing);
    ADD_TEST(suite, db_prepares_again_what_was_forgotten);
    ADD_TEST(suite, db_late_answer_is_nobody_elses);
    ADD_TEST(suite, db_server_restarted_while_idle_costs_nothing);
    ADD_TEST(suite, db_session_ended_before_commit_is_run_again);
    ADD_TEST(suite, db_rows_read_as_what_they_are);
    ADD_TEST(suite, db_lost_answer_of_a_write_is_told_as_unknown);
    ADD_TEST(suite, db_lost_answer_is_asked_for_again_when_nothing_was_stored);
    ADD_TEST(suite, db_silent_server_is_not_waited_for_longer_than_said);
}

static int use_prepared(void)
{
    settings.prepared = proxied.prepared = true;
    db_close(db);
    return 0;
}

static int use_unnamed(void)
{
    settings.prepared = proxied.prepared = false;
    db_close(db);
    return 0;
}

/* Makes schema db_test anew; false when the database does not let us. */
static bool make_schema(void)
{
    static const enum query steps[] = {QUERY_TEST_DROP,  QUERY_TEST_SCHEMA, QUERY_TEST_TABLE, QUERY_TEST_THINGS,
                                       QUERY_TEST_TRIES, QUERY_TEST_FLAKY,  QUERY_TEST_RAISE};
    struct db_tx tx = new_tx();
    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        db_tx_init(&tx, arena);
        db_add_params(&tx, steps[i], NULL, 0);
        if (db_run(other, &tx, DB_COMMIT, &fault) != ST_OK)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("PGHOST");
    const char *port = getenv("PGPORT");
    char path[256];
    if (!folder || *folder != '/') {
        fprintf(stderr, "db_test: PGHOST must name the folder of PostgreSQL's socket\n");
        return 77;
    }
    snprintf(path, sizeof(path), "%s/.s.PGSQL.%s", folder, port ? port : "5432");
    snprintf(proxied_conninfo, sizeof(proxied_conninfo), "host=127.0.0.1 port=%d sslmode=disable gssencmode=disable",
             proxy_start(path));
    proxied.database = proxied_conninfo;

    log_open(2, LOG_LEVEL_ERROR);
    arena = arena_new(1U << 20);
    db = db_new(&settings);
    other = db_new(&settings);
    if (!make_schema() || CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    arena_free(arena);
    if (argc < 2 || strcmp(argv[1], "unnamed") != 0)
        add_suite("prepared statements", use_prepared);
    add_suite("unnamed statements", use_unnamed);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();

    arena = arena_new(1U << 20);
    value_of(other, QUERY_TEST_DROP);
    arena_free(arena);
    db_free(db);
    db_free(other);
    return failed || !run ? 1 : 0;
}
