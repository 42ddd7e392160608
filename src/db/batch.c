/*
 * Asynchronous transactions over many users: one connection that never blocks.
 *
 * What must stay true:
 * - One Sync in flight; every answer up to the Sync's is read, or the connection is closed.
 * - Each item's query runs under its own SET LOCAL, which stands right before it in the same transaction.
 * - An item is ST_OK only when the COMMIT behind it answered COMMIT. What is not known is ST_UNAVAILABLE, never
 * anything better.
 */
#include "db/batch.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "db/connecting.h"
#include "db/query_table.h"
#include "db/sqlstate.h"

/* libpq decrypts more than it gives at once, and what it keeps wakes nobody: look again after so many milliseconds. */
#define ENCRYPTED_WAIT_MS 20

enum step { STEP_OTHER, STEP_PREPARE, STEP_ITEM, STEP_COMMIT, STEP_SYNC };

/* Each answer that is due, in order: what it answers to, and which item. */
struct due {
    enum step step;
    unsigned item;
};

/* ROLLBACK, BEGIN, COMMIT, Sync; a claim, a prepare and an execution for each item. */
#define DUES_MAX (3 * BATCH_ITEMS_MAX + 4)

enum phase { PHASE_IDLE, PHASE_CONNECT, PHASE_RUN };

struct batch {
    const struct settings *settings;
    batch_done *done;
    void *context;
    enum phase phase;
    PGconn *pg;
    struct connecting *connecting; /* under way; NULL: none is, as always with pg */
    bool known[QUERY_COUNT];       /* the server answered that it is prepared */
    bool unsent;                   /* libpq has more to write */
    int64_t deadline;
    /* the batch under way */
    struct batch_item items[BATCH_ITEMS_MAX];
    PGresult *results[BATCH_ITEMS_MAX];
    unsigned count;
    unsigned from, to; /* the items of the transaction under way */
    struct due dues[DUES_MAX];
    unsigned due_count, due_next;
    bool committed;
    bool stale;          /* a statement is not prepared as this program thinks */
    enum status refused; /* the first error's meaning; ST_OK: none */
};

struct batch *batch_new(const struct settings *settings, batch_done *done, void *context)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->settings = settings;
    batch->done = done;
    batch->context = context;
    return batch;
}

static void disconnect(struct batch *batch)
{
    PQfinish(batch->pg);
    batch->pg = NULL;
    memset(batch->known, 0, sizeof(batch->known));
}

static void drop_results(struct batch *batch, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        PQclear(batch->results[i]);
        batch->results[i] = NULL;
    }
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    drop_results(batch, 0, batch->count);
    connecting_leave(batch->connecting);
    disconnect(batch);
    free(batch);
}

bool batch_is_busy(const struct batch *batch)
{
    return batch->phase != PHASE_IDLE;
}

/* All items have a status: tells the owner, who may start the next batch at once. */
static void finish(struct batch *batch)
{
    struct batch_item items[BATCH_ITEMS_MAX];
    PGresult *results[BATCH_ITEMS_MAX];
    unsigned count = batch->count;
    memcpy(items, batch->items, count * sizeof(items[0]));
    memcpy(results, batch->results, count * sizeof(results[0]));
    memset(batch->results, 0, sizeof(batch->results));
    batch->phase = PHASE_IDLE;
    batch->count = 0;
    batch->done(batch->context, items, count);
    for (unsigned i = 0; i < count; i++)
        PQclear(results[i]);
}

/* The connection is of no use: nothing is known of the items that have no status yet. */
static void lose(struct batch *batch, const char *why)
{
    log_event(LOG_LEVEL_ERROR, "relay_database_lost", log_str("why", why), log_int("items", batch->count));
    disconnect(batch);
    drop_results(batch, batch->from, batch->count);
    for (unsigned i = batch->from; i < batch->count; i++)
        batch->items[i].status = ST_UNAVAILABLE;
    finish(batch);
}

/* --- sending --- */

static void add_due(struct batch *batch, enum step step, unsigned item)
{
    batch->dues[batch->due_count++] = (struct due){step, item};
}

static bool send_text(struct batch *batch, const char *text, enum step step)
{
    add_due(batch, step, 0);
    return PQsendQueryParams(batch->pg, text, 0, NULL, NULL, NULL, NULL, 0);
}

static bool is_being_prepared(const struct batch *batch, enum query query)
{
    for (unsigned i = 0; i < batch->due_count; i++)
        if (batch->dues[i].step == STEP_PREPARE && batch->items[batch->dues[i].item].query == query)
            return true;
    return batch->known[query];
}

static bool send_item(struct batch *batch, unsigned index)
{
    const struct batch_item *item = &batch->items[index];
    const struct query_text *query = &query_table[item->query];
    char claim[64 + UUID_LEN];
    (void)snprintf(claim, sizeof(claim), "SET LOCAL parley.user_id = '%s'", item->user.text);
    if (!send_text(batch, claim, STEP_OTHER))
        return false;
    int params = (int)item->params;
    if (!batch->settings->prepared) {
        add_due(batch, STEP_ITEM, index);
        return PQsendQueryParams(batch->pg, query->text, params, NULL, item->param, NULL, NULL, 0);
    }
    if (!is_being_prepared(batch, item->query)) {
        add_due(batch, STEP_PREPARE, index);
        if (!PQsendPrepare(batch->pg, query->name, query->text, 0, NULL))
            return false;
    }
    add_due(batch, STEP_ITEM, index);
    return PQsendQueryPrepared(batch->pg, query->name, params, item->param, NULL, NULL, 0);
}

/* Sends the items [from, to) as one transaction. */
static bool send_range(struct batch *batch, unsigned from, unsigned to)
{
    batch->from = from;
    batch->to = to;
    batch->due_count = batch->due_next = 0;
    batch->committed = batch->stale = false;
    batch->refused = ST_OK;
    batch->deadline = clock_monotonic_ms() + batch->settings->database_timeout_ms;
    batch->phase = PHASE_RUN;
    bool sent = PQtransactionStatus(batch->pg) == PQTRANS_IDLE || send_text(batch, "ROLLBACK", STEP_OTHER);
    sent = sent && send_text(batch, "BEGIN", STEP_OTHER);
    for (unsigned i = from; sent && i < to; i++)
        sent = send_item(batch, i);
    sent = sent && send_text(batch, "COMMIT", STEP_COMMIT);
    add_due(batch, STEP_SYNC, 0);
    sent = sent && PQpipelineSync(batch->pg);
    int unsent = sent ? PQflush(batch->pg) : -1;
    batch->unsent = unsent > 0;
    return unsent >= 0;
}

/* --- receiving --- */

static void note_error(struct batch *batch, const struct due *due, PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (batch->refused == ST_OK) {
        batch->refused = sqlstate ? sqlstate_status(sqlstate) : ST_UNAVAILABLE;
        batch->stale = sqlstate && (!strcmp(sqlstate, "26000") || !strcmp(sqlstate, "42P05"));
        log_event(LOG_LEVEL_WARN, "relay_database_error", log_str("sqlstate", sqlstate),
                  log_str("query", query_table[batch->items[due->item].query].name));
    }
    PQclear(result);
}

static void take_result(struct batch *batch, const struct due *due, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        if (status == PGRES_PIPELINE_ABORTED)
            PQclear(result);
        else
            note_error(batch, due, result);
        return;
    }
    if (due->step == STEP_PREPARE)
        batch->known[batch->items[due->item].query] = true;
    if (due->step == STEP_COMMIT)
        batch->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    if (due->step == STEP_ITEM && !batch->results[due->item])
        batch->results[due->item] = result;
    else
        PQclear(result);
}

/* Reads what has come. True when the Sync's answer was among it: the range is over. False with *lost: it will never be.
 */
static bool receive(struct batch *batch, bool *lost)
{
    *lost = false;
    while (batch->due_next < batch->due_count && !PQisBusy(batch->pg)) {
        const struct due *due = &batch->dues[batch->due_next];
        PGresult *result = PQgetResult(batch->pg);
        if (!result) {
            *lost = PQstatus(batch->pg) == CONNECTION_BAD || due->step == STEP_SYNC;
            if (*lost)
                return false;
            batch->due_next++;
            continue;
        }
        bool is_sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        if (!is_sync) {
            take_result(batch, due, result);
            continue;
        }
        PQclear(result);
        *lost = due->step != STEP_SYNC;
        return !*lost;
    }
    return false;
}

/* A range is over: gives its items their status, and goes on with the next, or ends. */
static void conclude(struct batch *batch)
{
    if (batch->committed) {
        for (unsigned i = batch->from; i < batch->to; i++) {
            batch->items[i].status = ST_OK;
            batch->items[i].rows =
                (struct db_rows){.result = batch->results[i], .count = (unsigned)PQntuples(batch->results[i])};
        }
    } else {
        drop_results(batch, batch->from, batch->to);
    }
    if (batch->stale) {
        lose(batch, "a prepared statement is not known");
        return;
    }
    /* One bad item must not hold up the others: each gets a transaction of its own. */
    bool alone = batch->to - batch->from == 1;
    unsigned next = batch->committed || alone ? batch->to : batch->from;
    if (!batch->committed && alone)
        batch->items[batch->from].status = batch->refused != ST_OK ? batch->refused : ST_UNAVAILABLE;
    if (next == batch->count)
        finish(batch);
    else if (!send_range(batch, next, next + 1))
        lose(batch, "sending failed");
}

/* --- connecting --- */

static void on_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* Takes the connection that was being made. True: it stands. */
static bool take_connection(struct batch *batch)
{
    batch->connecting = NULL;
    if (!batch->pg)
        return false;
    PQsetNoticeReceiver(batch->pg, on_notice, NULL);
    if (PQsetnonblocking(batch->pg, 1) == 0 && PQenterPipelineMode(batch->pg))
        return true;
    disconnect(batch);
    return false;
}

/* Where nobody waits for the connection any more it is kept for the next batch. */
static void go_on_connecting(struct batch *batch)
{
    bool waiting = batch->phase == PHASE_CONNECT;
    if (batch->connecting && connecting_is_over(batch->connecting, &batch->pg)) {
        bool stands = take_connection(batch);
        if (waiting && !stands)
            lose(batch, "no connection");
        else if (waiting && !send_range(batch, 0, batch->count))
            lose(batch, "sending failed");
    } else if (waiting && clock_monotonic_ms() >= batch->deadline) {
        lose(batch, "no connection");
    }
}

/* --- the owner's side --- */

void batch_start(struct batch *batch, const struct batch_item *items, unsigned count)
{
    memcpy(batch->items, items, count * sizeof(*items));
    batch->count = count;
    batch->from = 0;
    /* A deadline of 0: the next step finds it lost, because done is never called from here. */
    if (batch->pg) {
        if (!send_range(batch, 0, count))
            batch->deadline = 0;
        return;
    }
    const struct settings *settings = batch->settings;
    batch->phase = PHASE_CONNECT;
    if (!batch->connecting)
        batch->connecting = connecting_start(settings->database, settings->database_timeout_ms);
    batch->deadline = batch->connecting ? clock_monotonic_ms() + settings->database_timeout_ms : 0;
}

int batch_fd(const struct batch *batch)
{
    if (batch->connecting)
        return connecting_fd(batch->connecting);
    return batch->pg ? PQsocket(batch->pg) : -1;
}

bool batch_wants_write(const struct batch *batch)
{
    return batch->phase == PHASE_RUN && batch->unsent;
}

int64_t batch_deadline(const struct batch *batch)
{
    if (batch->phase == PHASE_IDLE)
        return INT64_MAX;
    int64_t soon = clock_monotonic_ms() + ENCRYPTED_WAIT_MS;
    bool encrypted = batch->phase == PHASE_RUN && (PQsslInUse(batch->pg) || PQgssEncInUse(batch->pg));
    return encrypted && soon < batch->deadline ? soon : batch->deadline;
}

/* An idle connection that becomes readable was ended by the server, or told of something that does not matter. */
static void look_at_idle(struct batch *batch)
{
    if (batch->pg && (!PQconsumeInput(batch->pg) || PQisBusy(batch->pg) || PQstatus(batch->pg) == CONNECTION_BAD))
        disconnect(batch);
}

void batch_step(struct batch *batch)
{
    bool lost;
    if (batch->connecting || batch->phase == PHASE_CONNECT) {
        go_on_connecting(batch);
        return;
    }
    if (batch->phase == PHASE_IDLE) {
        look_at_idle(batch);
        return;
    }
    if (!PQconsumeInput(batch->pg)) {
        /* What came before the end may hold the answers yet. */
        if (receive(batch, &lost))
            conclude(batch);
        else
            lose(batch, "the server is gone");
        return;
    }
    int unsent = PQflush(batch->pg);
    batch->unsent = unsent > 0;
    if (unsent < 0)
        lose(batch, "sending failed");
    else if (receive(batch, &lost))
        conclude(batch);
    else if (lost)
        lose(batch, "the server is gone");
    else if (clock_monotonic_ms() >= batch->deadline)
        lose(batch, "no answer in time");
}
