/*
 * Transactions as values: building them, running them, and deciding what a failure means.
 *
 * What must stay true:
 * - A transaction is run again only when it is certain that the attempt before stored nothing, and only as a whole.
 * - "outcome_unknown" is said whenever a write's COMMIT may have been executed unheard, and never else.
 * - The arena owns every answer before a byte is sent, so that memory running out cannot hide a COMMIT.
 * - A held transaction belongs to the one struct db_tx that holds it: nothing of another is ever sent inside it.
 */
#include "db/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "db/connection.h"
#include "db/pipeline.h"
#include "db/query_table.h"
#include "db/sqlstate.h"

#define RETRIES_MAX 3

struct db {
    const struct settings *settings;
    struct connection connection;
    bool refused;
    uint64_t holds; /* how many there were */
    uint64_t hold;  /* the one that is open, 0: none */
    struct db_counts counts;
};

struct db *db_new(const struct settings *settings)
{
    struct db *db = calloc(1, sizeof(*db));
    if (db)
        db->settings = settings;
    return db;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_close(db);
    free(db);
}

static int64_t deadline_from_now(const struct db *db)
{
    return clock_monotonic_ms() + db->settings->database_timeout_ms;
}

/* Makes sure that a connection stands: a new one when there is none, or when `check` finds that the old one has died.
 */
static enum status connect_now(struct db *db, bool check)
{
    if (db->refused)
        return ST_UNAVAILABLE;
    if (check ? connection_is_alive(&db->connection) : db->connection.pg != NULL)
        return ST_OK;
    db_close(db);
    db->counts.connects++;
    return connection_open(&db->connection, db->settings->database, deadline_from_now(db));
}

enum status db_connect(struct db *db)
{
    return connect_now(db, false);
}

void db_refuse(struct db *db, bool refuse)
{
    db->refused = refuse;
    if (refuse)
        db_close(db);
}

void db_close(struct db *db)
{
    connection_close(&db->connection);
    db->hold = 0;
}

int db_socket(const struct db *db)
{
    return db->connection.pg ? PQsocket(db->connection.pg) : -1;
}

const struct db_counts *db_counts(const struct db *db)
{
    return &db->counts;
}

void db_tx_init(struct db_tx *tx, struct arena *arena)
{
    *tx = (struct db_tx){.arena = arena};
}

void db_tx_claim(struct db_tx *tx, enum db_claim claim, const char *value)
{
    tx->claim = claim;
    tx->claim_value = value;
}

const struct db_rows *db_add_params(struct db_tx *tx, enum query query, const char *const *params, unsigned count)
{
    static const struct db_rows none;
    if (tx->count == DB_STATEMENTS_MAX || query >= QUERY_COUNT || count != query_table[query].params) {
        log_event(LOG_LEVEL_ERROR, "query_misused",
                  log_str("query", query < QUERY_COUNT ? query_table[query].name : NULL),
                  log_int("statements", tx->count), log_int("params", count));
        tx->overflow = true;
        return &none;
    }
    struct db_rows *rows = arena_alloc(tx->arena, sizeof(*rows));
    if (!rows) {
        tx->starved = true;
        return &none;
    }
    struct db_statement *statement = &tx->statement[tx->count++];
    *statement = (struct db_statement){.query = query, .rows = rows};
    for (unsigned i = 0; i < count; i++)
        statement->params[i] = params[i];
    return rows;
}

const char *db_int(struct arena *arena, int64_t number)
{
    const char *text = arena_printf(arena, "%lld", (long long)number);
    return text ? text : "";
}

const char *db_bool(bool value)
{
    return value ? "true" : "false";
}

/* The claims' settings. What is no uuid is quoted as text. */
static const struct {
    const char *name;
    bool is_uuid;
} claim_table[] = {
    [DB_CLAIM_USER] = {"parley.user_id", true},    [DB_CLAIM_EMAIL] = {"parley.email", false},
    [DB_CLAIM_REFRESH] = {"parley.refresh", true}, [DB_CLAIM_PROJECT] = {"parley.project", true},
    [DB_CLAIM_PURGE] = {"parley.purge", false},
};

/* The statement that sets the claim, the one place where a value enters SQL text; *text is NULL without a claim.
 * ST_INVALID: not a value of that claim. */
static enum status claim_statement(struct db *db, const struct db_tx *tx, const char **text)
{
    *text = NULL;
    if (tx->claim == DB_CLAIM_NONE)
        return ST_OK;
    if (!tx->claim_value)
        return ST_INVALID;
    const char *name = claim_table[tx->claim].name;
    if (claim_table[tx->claim].is_uuid) {
        struct uuid uuid;
        if (!uuid_parse(&uuid, tx->claim_value))
            return ST_INVALID;
        *text = arena_printf(tx->arena, "SET LOCAL %s = '%s'", name, uuid.text);
        return *text ? ST_OK : ST_UNAVAILABLE;
    }
    char *literal = PQescapeLiteral(db->connection.pg, tx->claim_value, strlen(tx->claim_value));
    if (!literal)
        return ST_INVALID;
    *text = arena_printf(tx->arena, "SET LOCAL %s = %s", name, literal);
    PQfreemem(literal);
    return *text ? ST_OK : ST_UNAVAILABLE;
}

/* The answers of one db_run, cleared with the arena. */
struct answers {
    PGresult *result[DB_STATEMENTS_MAX];
};

static void answers_clear(void *thing)
{
    struct answers *answers = thing;
    for (unsigned i = 0; i < DB_STATEMENTS_MAX; i++)
        PQclear(answers->result[i]);
}

static struct answers *answers_new(struct arena *arena)
{
    struct answers *answers = arena_alloc(arena, sizeof(*answers));
    if (!answers || arena_defer(arena, answers_clear, answers) != 0)
        return NULL;
    return answers;
}

static void fill_rows(struct db_tx *tx, unsigned from, const struct answers *answers)
{
    for (unsigned i = from; i < tx->count; i++) {
        PGresult *result = answers->result[i];
        *tx->statement[i].rows = (struct db_rows){
            .result = result,
            .count = (unsigned)PQntuples(result),
            .affected = strtoll(PQcmdTuples(result), NULL, 10),
        };
    }
}

/* A copy of a part of the server's error for the caller; NULL when the error has no such part. */
static const char *error_text(struct arena *arena, const PGresult *error, int part)
{
    const char *text = PQresultErrorField(error, part);
    return text ? arena_strdup(arena, text) : NULL;
}

/* What a statement says by RAISE with an SQLSTATE of class PA. */
static void fill_fault(struct fault *fault, struct arena *arena, const PGresult *error)
{
    fault->code = error_text(arena, error, PG_DIAG_MESSAGE_PRIMARY);
    fault->detail = error_text(arena, error, PG_DIAG_MESSAGE_HINT);
    const char *detail = PQresultErrorField(error, PG_DIAG_MESSAGE_DETAIL);
    long seconds = detail ? strtol(detail, NULL, 10) : 0;
    fault->retry_after = seconds > 0 ? (unsigned)seconds : 0;
}

/* One line for a failure that is not the caller's, with the query at fault, else the transaction's first. The server's
 * words are said only where they cannot hold a row's: of wrong SQL. */
static void log_outcome(const struct db_tx *tx, const struct pipeline_outcome *outcome, const char *sqlstate)
{
    static const char *const events[] = {
        [PIPELINE_REFUSED] = "database_error", [PIPELINE_LOST] = "database_lost", [PIPELINE_LATE] = "database_late"};
    bool wrong_sql = sqlstate && (!strncmp(sqlstate, "42", 2) || !strncmp(sqlstate, "XX", 2));
    const char *message = wrong_sql ? PQresultErrorField(outcome->error, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *first = tx->count ? query_table[tx->statement[0].query].name : NULL;
    log_event(LOG_LEVEL_ERROR, events[outcome->how], log_str("query", outcome->failed ? outcome->failed : first),
              log_str("sqlstate", sqlstate), log_str("message", message));
}

/* What a run that did not end well means to the caller. Clears the error. */
static enum status fail(struct db *db, struct db_tx *tx, struct pipeline_outcome *outcome, struct fault *fault)
{
    const char *sqlstate = outcome->error ? PQresultErrorField(outcome->error, PG_DIAG_SQLSTATE) : NULL;
    enum status status = ST_UNAVAILABLE;
    if (outcome->how == PIPELINE_REFUSED && sqlstate)
        status = sqlstate_status(sqlstate);
    if (status == ST_UNAVAILABLE || status == ST_INTERNAL) {
        db->counts.errors++;
        log_outcome(tx, outcome, sqlstate);
    }
    if (outcome->how == PIPELINE_REFUSED && sqlstate && !strncmp(sqlstate, "PA", 2))
        fill_fault(fault, tx->arena, outcome->error);
    if (outcome->unknown && !tx->read_only)
        fault->code = "outcome_unknown";
    PQclear(outcome->error);
    return status;
}

/* What was used up of the second chances. */
struct chances {
    unsigned serial;
    bool stale;
    bool lost;
};

/* Whether the whole transaction is to be run again; closes the connection where that needs a new one. */
static bool is_worth_another(struct db *db, const struct db_tx *tx, const struct pipeline_outcome *outcome,
                             struct chances *chances)
{
    if (outcome->how == PIPELINE_REFUSED && outcome->error) {
        const char *sqlstate = PQresultErrorField(outcome->error, PG_DIAG_SQLSTATE);
        if (sqlstate && sqlstate_retry(sqlstate))
            return chances->serial++ < RETRIES_MAX;
        if (!pipeline_is_stale(outcome->error) || chances->stale)
            return false;
        chances->stale = true;
        db_close(db);
        return true;
    }
    if (outcome->how != PIPELINE_LOST || chances->lost || (outcome->unknown && !tx->read_only))
        return false;
    chances->lost = true;
    return true;
}

/* Runs all of the transaction, more than once where that is allowed. */
static enum status run_whole(struct db *db, struct db_tx *tx, struct pipeline_order *order, struct answers *answers,
                             struct fault *fault)
{
    struct chances chances = {0};
    int64_t deadline = 0;
    for (;;) {
        enum status status = connect_now(db, true);
        if (status == ST_OK)
            status = claim_statement(db, tx, &order->set_local);
        if (status != ST_OK) {
            db->counts.errors++;
            return status == ST_INVALID ? fault_set(fault, ST_INTERNAL, NULL, NULL) : status;
        }
        if (!deadline)
            deadline = deadline_from_now(db);
        struct pipeline_outcome outcome;
        pipeline_run(&db->connection, order, deadline, answers->result, &outcome);
        if (outcome.how == PIPELINE_DONE)
            return ST_OK;
        if (!is_worth_another(db, tx, &outcome, &chances))
            return fail(db, tx, &outcome, fault);
        PQclear(outcome.error);
        db->counts.retries++;
    }
}

/* Runs what was added to the transaction since it was held. */
static enum status run_rest(struct db *db, struct db_tx *tx, const struct pipeline_order *order,
                            struct answers *answers, struct fault *fault)
{
    struct pipeline_outcome outcome;
    pipeline_run(&db->connection, order, deadline_from_now(db), answers->result, &outcome);
    if (outcome.how == PIPELINE_DONE)
        return ST_OK;
    if (pipeline_is_stale(outcome.error))
        connection_close(&db->connection);
    return fail(db, tx, &outcome, fault);
}

/* What cannot be run at all. */
static enum status refuse(struct db *db, const struct db_tx *tx, struct fault *fault)
{
    if (tx->starved)
        return ST_UNAVAILABLE;
    if (tx->overflow)
        return fault_set(fault, ST_INTERNAL, NULL, NULL);
    /* Its connection was closed, or it was rolled back. */
    if (tx->hold && tx->hold != db->hold)
        return fault_set(fault, ST_UNAVAILABLE, NULL, NULL);
    if (!tx->hold)
        db_rollback(db);
    return ST_OK;
}

enum status db_run(struct db *db, struct db_tx *tx, enum db_end end, struct fault *fault)
{
    db->counts.transactions++;
    enum status status = refuse(db, tx, fault);
    struct answers *answers = status == ST_OK ? answers_new(tx->arena) : NULL;
    if (status == ST_OK && !answers)
        status = ST_UNAVAILABLE;
    if (status != ST_OK) {
        db->counts.errors++;
        return status;
    }

    struct pipeline_order order = {
        .tx = tx,
        .from = tx->sent,
        .begin = !tx->hold,
        .commit = end == DB_COMMIT,
        .prepared = db->settings->prepared,
    };
    status = order.begin ? run_whole(db, tx, &order, answers, fault) : run_rest(db, tx, &order, answers, fault);

    /* Whose the open transaction is from here on. One that failed stays marked, so that its rest is never run alone. */
    db->hold = 0;
    if (status != ST_OK)
        return status;
    fill_rows(tx, tx->sent, answers);
    tx->sent = tx->count;
    if (end == DB_HOLD) {
        db->hold = tx->hold ? tx->hold : ++db->holds;
        tx->hold = db->hold;
    } else {
        tx->sent = 0;
        tx->hold = 0;
    }
    return status;
}

void db_rollback(struct db *db)
{
    if (!db->hold)
        return;
    db->hold = 0;
    pipeline_rollback(&db->connection, deadline_from_now(db));
}
