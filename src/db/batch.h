/*
 * Asynchronous transactions over many users, for the relay: one connection that never blocks.
 *
 * A batch is a list of items, each a named query under its own user's claim. It is run as one transaction in one
 * pipeline with one Sync: BEGIN, then for each item SET LOCAL parley.user_id and the query, then COMMIT; so a thousand
 * turns cost one flush of the WAL. When an item fails, the batch is run again item by item, so that one bad item cannot
 * hold up the others. A claim holds for its item alone: the next item's SET LOCAL replaces it before its query runs.
 *
 * The owner of the event loop asks for the descriptor and the events to wait for, and calls batch_step when they come
 * or the deadline passes.
 */
#ifndef PARLEY_DB_BATCH_H
#define PARLEY_DB_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/uuid.h"
#include "db/queries.h"
#include "db/row.h"

#define BATCH_ITEMS_MAX  256
#define BATCH_PARAMS_MAX 16

struct arena;
struct settings;
struct batch;

struct batch_item {
    struct uuid user;
    enum query query;
    unsigned params;
    const char *param[BATCH_PARAMS_MAX]; /* text; NULL is SQL NULL; must live until done is called */
    void *owner;                         /* the caller's */
    enum status status;  /* set before done is called; ST_UNAVAILABLE: nothing is known, send the same item again */
    struct db_rows rows; /* with ST_OK; valid inside done only */
};

/* Called once for each batch that was started, when all its items have a status. */
typedef void batch_done(void *context, struct batch_item *items, unsigned count);

/* A handle that connects when it is first used, in a thread of its own. The settings must stay. NULL: memory is out. */
struct batch *batch_new(const struct settings *settings, batch_done *done, void *context);
void batch_free(struct batch *batch);

/* Whether a batch is under way: another cannot be started. */
bool batch_is_busy(const struct batch *batch);

/* Starts a batch of 1 to BATCH_ITEMS_MAX items, which are copied (the parameters are not). Never blocks. Calls done
 * later from batch_step, also when the database cannot be reached. */
void batch_start(struct batch *batch, const struct batch_item *items, unsigned count);

/* What to wait for: the descriptor (-1: none), whether for writing besides reading, and until when
 * (clock_monotonic_ms; INT64_MAX: no deadline). The descriptor may change with every step. */
int batch_fd(const struct batch *batch);
bool batch_wants_write(const struct batch *batch);
int64_t batch_deadline(const struct batch *batch);

/* Goes on as far as is possible without waiting; may call done. */
void batch_step(struct batch *batch);

#endif
