/*
 * One transaction over the wire, once: everything out with one Sync, every answer in. Below db.h, for src/db alone.
 */
#ifndef PARLEY_DB_PIPELINE_H
#define PARLEY_DB_PIPELINE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct connection;

/* What is to be sent. */
struct pipeline_order {
    const struct db_tx *tx;
    const char *set_local; /* the claim's statement; NULL: none */
    unsigned from;         /* the first statement to send */
    bool begin;            /* with BEGIN and the claim before it */
    bool commit;           /* with COMMIT behind it */
    bool prepared;         /* by named prepared statements */
};

enum pipeline_how {
    PIPELINE_DONE,    /* every answer is good; with commit, it is on disk */
    PIPELINE_REFUSED, /* the server answered an error; nothing is stored */
    PIPELINE_LOST,    /* the connection went away */
    PIPELINE_LATE,    /* the deadline passed */
};

struct pipeline_outcome {
    enum pipeline_how how;
    bool unknown;       /* LOST, LATE: COMMIT may have been executed */
    PGresult *error;    /* the first error answer, or NULL; the caller clears it */
    const char *failed; /* the name of what it answers to */
};

/* Runs the order. On PIPELINE_DONE results[i] is the answer of statement i, the caller's to clear; else all of them are
 * NULL. The connection is idle then, or in the open transaction when commit was not asked, or closed. */
void pipeline_run(struct connection *connection, const struct pipeline_order *order, int64_t deadline,
                  PGresult *results[DB_STATEMENTS_MAX], struct pipeline_outcome *outcome);

/* Rolls back; the connection is idle then, or closed. */
void pipeline_rollback(struct connection *connection, int64_t deadline);

/* Whether error shows that a prepared statement is not what this program thinks it is. */
bool pipeline_is_stale(const PGresult *error);

#endif
