/*
 * One libpq connection whose every wait has a deadline (clock_monotonic_ms). Below db.h, for src/db alone.
 */
#ifndef PARLEY_DB_CONNECTION_H
#define PARLEY_DB_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "db/queries.h"

/* What can be prepared: the named queries, then BEGIN, BEGIN READ ONLY and COMMIT. */
#define CONNECTION_STATEMENTS (QUERY_COUNT + 3)

struct connection {
    PGconn *pg;                        /* non-blocking, in pipeline mode; NULL: closed */
    bool doomed;                       /* the server said that it ends this connection */
    bool known[CONNECTION_STATEMENTS]; /* the server answered that it is prepared */
};

/* How a wait ended. */
enum connection_wait {
    CONNECTION_READY,
    CONNECTION_LOST, /* the other side is gone */
    CONNECTION_LATE, /* the deadline passed */
};

/* Connects as libpq is told by conninfo and its own environment, in UTF-8, with times as ISO text in UTC.
 * ST_UNAVAILABLE (logged): no connection stands. Looking up a host's name is libpq's own and has no deadline. */
enum status connection_open(struct connection *connection, const char *conninfo, int64_t deadline) MUST_CHECK;

/* The keywords and values for PQconnectdbParams that every connection of the program has. */
#define CONNECTION_KEYWORDS 6
void connection_keywords(const char *conninfo, const char *keywords[CONNECTION_KEYWORDS],
                         const char *values[CONNECTION_KEYWORDS]);

/* Waits until a connection that PQconnectStartParams began (NULL: it could not) stands. Touches nothing else: it may be
 * called in any thread. */
enum connection_wait connection_wait_for_start(PGconn *pg, int64_t deadline) MUST_CHECK;

/* Closes it, whatever its state. */
void connection_close(struct connection *connection);

/* Whether the idle connection still has another side; one system call. False also when it is closed. */
bool connection_is_alive(struct connection *connection);

/* The next answer, as PQgetResult gives it (*result may be NULL), sending meanwhile what is not sent yet. */
enum connection_wait connection_next(struct connection *connection, int64_t deadline, PGresult **result) MUST_CHECK;

#endif
