/*
 * The run of one transaction: a list of steps goes out, an answer for each comes in.
 *
 * What must stay true:
 * - One Sync in flight, ever: PgBouncer 1.18 mixes up clients that have two.
 * - Every answer up to the Sync's is read, or the connection is closed: an answer left behind would be handed to the
 * next request.
 * - A statement counts as prepared only when the server has said so.
 * - COMMIT counts only if its tag is COMMIT: after an error the server answers it with ROLLBACK, and calls that a
 * success.
 */
#include "db/pipeline.h"

#include <string.h>

#include "db/connection.h"
#include "db/query_table.h"

/* Statements of this file, numbered behind the named queries. */
enum { BEGIN = QUERY_COUNT, BEGIN_READ_ONLY, COMMIT };

static const struct query_text own_table[] = {
    {"BEGIN", "BEGIN", 0},
    {"BEGIN READ ONLY", "BEGIN READ ONLY", 0},
    {"COMMIT", "COMMIT", 0},
};

enum step_kind { STEP_PREPARE, STEP_EXECUTE, STEP_COMMIT, STEP_SYNC };

struct step {
    enum step_kind kind;
    unsigned id;       /* of what is prepared */
    const char *name;  /* for the log */
    PGresult **result; /* where the answer is kept; NULL: nowhere */
};

/* A prepare and an execution for each statement, BEGIN and COMMIT; the claim; the Sync. */
#define STEPS_MAX (2 * (DB_STATEMENTS_MAX + 2) + 2)

struct pipeline {
    struct connection *connection;
    bool prepared;
    struct step steps[STEPS_MAX];
    unsigned count;
    bool commit_sent;
    bool committed;
    struct pipeline_outcome *outcome;
};

static void add_step(struct pipeline *pipeline, enum step_kind kind, unsigned id, const char *name, PGresult **result)
{
    pipeline->steps[pipeline->count++] = (struct step){kind, id, name, result};
}

static bool is_being_prepared(const struct pipeline *pipeline, unsigned id)
{
    for (unsigned i = 0; i < pipeline->count; i++)
        if (pipeline->steps[i].kind == STEP_PREPARE && pipeline->steps[i].id == id)
            return true;
    return pipeline->connection->known[id];
}

/* Sends text as it is, without parameters: what carries a value inside, or is needed rarely. */
static bool send_text(struct pipeline *pipeline, const char *text, const char *name)
{
    add_step(pipeline, STEP_EXECUTE, 0, name, NULL);
    return PQsendQueryParams(pipeline->connection->pg, text, 0, NULL, NULL, NULL, NULL, 0);
}

static bool send_statement(struct pipeline *pipeline, enum step_kind kind, unsigned id, const char *const *params,
                           PGresult **result)
{
    PGconn *pg = pipeline->connection->pg;
    const struct query_text *query = id < QUERY_COUNT ? &query_table[id] : &own_table[id - QUERY_COUNT];
    int count = (int)query->params;
    if (!pipeline->prepared) {
        add_step(pipeline, kind, id, query->name, result);
        return PQsendQueryParams(pg, query->text, count, NULL, params, NULL, NULL, 0);
    }
    if (!is_being_prepared(pipeline, id)) {
        add_step(pipeline, STEP_PREPARE, id, query->name, NULL);
        if (!PQsendPrepare(pg, query->name, query->text, 0, NULL))
            return false;
    }
    add_step(pipeline, kind, id, query->name, result);
    return PQsendQueryPrepared(pg, query->name, count, params, NULL, NULL, 0);
}

static bool send_sync(struct pipeline *pipeline)
{
    add_step(pipeline, STEP_SYNC, 0, "Sync", NULL);
    return PQpipelineSync(pipeline->connection->pg);
}

static bool send_order(struct pipeline *pipeline, const struct pipeline_order *order, PGresult **results)
{
    const struct db_tx *tx = order->tx;
    if (order->begin && !send_statement(pipeline, STEP_EXECUTE, tx->read_only ? BEGIN_READ_ONLY : BEGIN, NULL, NULL))
        return false;
    /* A message of its own: Citus passes it on to the shards only so. */
    if (order->begin && order->set_local && !send_text(pipeline, order->set_local, "SET LOCAL"))
        return false;
    for (unsigned i = order->from; i < tx->count; i++) {
        const struct db_statement *statement = &tx->statement[i];
        if (!send_statement(pipeline, STEP_EXECUTE, statement->query, statement->params, &results[i]))
            return false;
    }
    if (order->commit) {
        pipeline->commit_sent = true;
        if (!send_statement(pipeline, STEP_COMMIT, COMMIT, NULL, NULL))
            return false;
    }
    return send_sync(pipeline);
}

static void note_error(struct pipeline *pipeline, const struct step *step, PGresult *result)
{
    if (pipeline->outcome->error) {
        PQclear(result);
        return;
    }
    pipeline->outcome->error = result;
    pipeline->outcome->failed = step->name;
}

/* Takes one answer to a step. */
static void take_result(struct pipeline *pipeline, const struct step *step, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        if (step->kind == STEP_PREPARE)
            pipeline->connection->known[step->id] = true;
        if (step->kind == STEP_COMMIT)
            pipeline->committed = !strcmp(PQcmdStatus(result), "COMMIT");
        if (step->result && !*step->result)
            *step->result = result;
        else
            PQclear(result);
        return;
    case PGRES_PIPELINE_ABORTED: /* skipped after an error */
        PQclear(result);
        return;
    default:
        note_error(pipeline, step, result);
    }
}

/* Reads the answer to a step up to its end: for the Sync its own mark, for the others NULL. */
static enum connection_wait read_step(struct pipeline *pipeline, const struct step *step, int64_t deadline)
{
    for (;;) {
        PGresult *result = NULL;
        enum connection_wait how = connection_next(pipeline->connection, deadline, &result);
        if (how != CONNECTION_READY)
            return how;
        if (!result) {
            if (step->kind == STEP_SYNC)
                return CONNECTION_LOST;
            return CONNECTION_READY;
        }
        bool is_sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (!is_sync) {
            take_result(pipeline, step, result);
            continue;
        }
        PQclear(result);
        /* A Sync before its turn: answers and steps do not fit, so trust none of them. */
        return step->kind == STEP_SYNC ? CONNECTION_READY : CONNECTION_LOST;
    }
}

static enum connection_wait read_all(struct pipeline *pipeline, int64_t deadline)
{
    for (unsigned i = 0; i < pipeline->count; i++) {
        enum connection_wait how = read_step(pipeline, &pipeline->steps[i], deadline);
        if (how != CONNECTION_READY)
            return how;
    }
    return CONNECTION_READY;
}

/* Whether COMMIT may have been executed though its answer did not come. Answers come in order, so an error of a
 * statement before it tells that it was not; a FATAL only when the server itself ended the session: a pooler cannot
 * know what its server did. */
static bool is_unknown(const struct pipeline *pipeline)
{
    if (!pipeline->commit_sent)
        return false;
    const PGresult *error = pipeline->outcome->error;
    const char *severity = error ? PQresultErrorField(error, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
    const char *sqlstate = error ? PQresultErrorField(error, PG_DIAG_SQLSTATE) : NULL;
    if (!severity || !sqlstate || !strcmp(pipeline->outcome->failed, "COMMIT"))
        return true;
    return strcmp(severity, "ERROR") != 0 && strcmp(sqlstate, "57P01") != 0;
}

/* How it ended, once everything was read or reading has failed. A commit that was answered counts, whatever came after
 * it. */
static enum pipeline_how judge(const struct pipeline *pipeline, enum connection_wait wait, bool commit)
{
    if (pipeline->committed)
        return PIPELINE_DONE;
    if (wait == CONNECTION_LOST)
        return PIPELINE_LOST;
    if (wait == CONNECTION_LATE)
        return PIPELINE_LATE;
    return pipeline->outcome->error || commit ? PIPELINE_REFUSED : PIPELINE_DONE;
}

void pipeline_run(struct connection *connection, const struct pipeline_order *order, int64_t deadline,
                  PGresult *results[DB_STATEMENTS_MAX], struct pipeline_outcome *outcome)
{
    struct pipeline pipeline = {.connection = connection, .prepared = order->prepared, .outcome = outcome};
    *outcome = (struct pipeline_outcome){0};
    enum connection_wait wait = CONNECTION_LOST;
    if (send_order(&pipeline, order, results))
        wait = read_all(&pipeline, deadline);
    outcome->how = judge(&pipeline, wait, order->commit);
    if (wait != CONNECTION_READY) {
        outcome->unknown = outcome->how != PIPELINE_DONE && is_unknown(&pipeline);
        connection_close(connection);
    }
    /* An open transaction stays only where that was asked for. */
    if (outcome->how != PIPELINE_DONE || order->commit)
        pipeline_rollback(connection, deadline);
    if (outcome->how == PIPELINE_DONE) {
        /* What a server says that goes down behind a COMMIT. */
        PQclear(outcome->error);
        outcome->error = NULL;
        return;
    }
    for (unsigned i = order->from; i < order->tx->count; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
}

void pipeline_rollback(struct connection *connection, int64_t deadline)
{
    if (!connection->pg || PQtransactionStatus(connection->pg) == PQTRANS_IDLE)
        return;
    struct pipeline_outcome outcome = {0};
    struct pipeline pipeline = {.connection = connection, .outcome = &outcome};
    bool read = send_text(&pipeline, "ROLLBACK", "ROLLBACK") && send_sync(&pipeline) &&
                read_all(&pipeline, deadline) == CONNECTION_READY;
    PQclear(outcome.error);
    if (!read || PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
        connection_close(connection);
}

bool pipeline_is_stale(const PGresult *error)
{
    /* Unknown; known already; made for tables that have changed since. */
    static const char *const sqlstates[] = {"26000", "42P05", "0A000"};
    const char *sqlstate = error ? PQresultErrorField(error, PG_DIAG_SQLSTATE) : NULL;
    for (unsigned i = 0; sqlstate && i < sizeof(sqlstates) / sizeof(*sqlstates); i++)
        if (!strcmp(sqlstate, sqlstates[i]))
            return true;
    return false;
}
