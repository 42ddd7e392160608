/*
 * The database: one connection, one transaction a request, one pipeline a transaction. The only user of libpq, with
 * row.c.
 *
 * A transaction is a value: a claim and a list of named queries with their parameters. db_run sends all of it at once -
 * BEGIN, SET LOCAL, the queries, COMMIT, one Sync - and reads all answers. So a request costs one round trip, and what
 * failed for a reason that passes (serialization, a lost prepared statement) can be run again as it is.
 *
 * What must stay true:
 * - After db_run the connection is idle, or held inside the one transaction that the caller asked to hold, or closed.
 *   Answers never outlive their request: they are drained to the Sync, or the connection is closed.
 * - The claim is transaction-local and comes from a struct uuid or is quoted here. Nothing else is ever put into SQL
 * text.
 * - COMMIT counts only if its command tag is COMMIT.
 * - Every wait has a deadline (settings.database_timeout_ms for a connect, and for a run).
 */
#ifndef PARLEY_DB_DB_H
#define PARLEY_DB_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/uuid.h"
#include "db/queries.h" /* generated: enum query */
#include "db/row.h"

#define DB_STATEMENTS_MAX 12
#define DB_PARAMS_MAX     18

struct arena;
struct settings;
struct db;

/* A handle that connects at its first use and again after a loss. conninfo, prepared and timeout are read from the
 * settings, which must stay. NULL: memory is out. */
struct db *db_new(const struct settings *settings);

/* Closes the connection. NULL is allowed. */
void db_free(struct db *db);

/* Whether a connection stands (it may have died since). Connects when there is none. */
enum status db_connect(struct db *db) MUST_CHECK;

/* While a handle is refused, it is closed and every use of it answers ST_UNAVAILABLE at once: for whoever waits until
 * the database has passed the guard (db/guard.h). */
void db_refuse(struct db *db, bool refuse);

/* Closes the connection; the next use makes a new one. */
void db_close(struct db *db);

/* The connection's socket, to see a dead server while idle; -1 when there is none. */
int db_socket(const struct db *db);

/* What this handle has seen since it was made, for the metrics. */
struct db_counts {
    uint64_t transactions;
    uint64_t errors; /* runs that ended other than ST_OK for the database's reasons, not the caller's */
    uint64_t retries;
    uint64_t connects;
};
const struct db_counts *db_counts(const struct db *db);

/* Who the database is told is asking: each opens exactly one kind of row (DESIGN of policies: sql/policies). */
enum db_claim {
    DB_CLAIM_NONE,
    DB_CLAIM_USER,    /* parley.user_id: a user's own rows */
    DB_CLAIM_EMAIL,   /* parley.email: the login of one e-mail address */
    DB_CLAIM_REFRESH, /* parley.refresh: one family of refresh tokens */
    DB_CLAIM_PROJECT, /* parley.project: one shared project */
    DB_CLAIM_PURGE,   /* parley.purge, value "due": what is due for removal anyway */
};

struct db_statement {
    enum query query;
    const char *params[DB_PARAMS_MAX]; /* text; NULL is SQL NULL */
    struct db_rows *rows;              /* in the arena: outlives a db_tx_init */
};

struct db_tx {
    struct arena *arena;
    enum db_claim claim;
    const char *claim_value;
    bool read_only; /* BEGIN READ ONLY; may be run again after a lost connection */
    bool starved;   /* memory ran out while it was built: db_run answers ST_UNAVAILABLE */
    bool overflow;  /* more statements than fit, or other parameters than the query's: db_run answers ST_INTERNAL */
    unsigned count;
    struct db_statement statement[DB_STATEMENTS_MAX];
    unsigned sent; /* how many statements went out in the runs that held it; db_run's own */
    uint64_t hold; /* which hold of the connection is this transaction's, 0: none; db_run's own */
};

/* An empty transaction without a claim. Rows and parameters live in the arena. */
void db_tx_init(struct db_tx *tx, struct arena *arena);

/* Sets the claim. For DB_CLAIM_EMAIL value is any text; for the others it must be the text of a struct uuid. */
void db_tx_claim(struct db_tx *tx, enum db_claim claim, const char *value);

/* Appends a query; the number of parameters must be the query's own (checked in db_run: ST_INTERNAL). The parameters
 * must live until db_run has answered. The rows are to be read after db_run answered ST_OK. Never NULL. */
#define db_add(tx, query, ...)                                                                                         \
    db_add_params((tx), (query), (const char *const[]){__VA_ARGS__},                                                   \
                  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
const struct db_rows *db_add_params(struct db_tx *tx, enum query query, const char *const *params, unsigned count);

enum db_end {
    DB_COMMIT, /* ends the transaction: ST_OK means it is on disk */
    DB_HOLD,   /* leaves it open for another db_run with the same tx, which sends only what was added since */
};

/*
 * Runs the transaction. On ST_OK all rows are there. Else nothing was stored, save when the server was lost between the
 * COMMIT and its answer (ST_UNAVAILABLE, code "outcome_unknown").
 *
 * A statement may refuse by RAISE with an SQLSTATE of class PA, which decides the status: PA400 PA401 PA403 PA404 PA409
 * PA422 PA429; its MESSAGE becomes fault.code, its HINT fault.detail, its DETAIL fault.retry_after when it is a number.
 * Of other SQLSTATEs see sqlstate.h. 40001 and 40P01 are run again up to three times; a statement that is not prepared
 * as it should be (26000, 42P05, 0A000) once, on a new connection; a lost connection once, when nothing can have been
 * stored. A held transaction's later runs are never run again. fault must not be NULL.
 */
enum status db_run(struct db *db, struct db_tx *tx, enum db_end end, struct fault *fault) MUST_CHECK;

/* Ends a held transaction without storing. Does nothing when none is held. A transaction that is held when db_run is
 * given another one is rolled back first. */
void db_rollback(struct db *db);

/* Text of numbers and booleans for parameters; NULL when memory is out cannot be told from SQL NULL, so they answer ""
 * then, which no typed parameter accepts. */
const char *db_int(struct arena *arena, int64_t number);
const char *db_bool(bool value);

#endif
