/*
 * Connecting and waiting, never longer than a deadline.
 *
 * What must stay true:
 * - libpq never blocks here: every wait is the poll() of this file (but for the lookup of a host's name).
 * - After connection_open the session is what row.c relies on: UTF-8, ISO dates, UTC. All of it is set by startup
 * parameters, so that it holds behind PgBouncer in transaction mode too, which gives them to each server connection it
 * uses.
 * - Nothing that the server says is logged but SQLSTATEs, and why a connection could not be made.
 */
#include "db/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

/* libpq decrypts more than it gives at once, and what it keeps wakes no poll: look again after so many milliseconds. */
#define ENCRYPTED_WAIT_MS 20

/* What the server says besides its answers. A FATAL to an idle connection comes this way. */
static void on_notice(void *arg, const PGresult *result)
{
    struct connection *connection = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC")))
        connection->doomed = true;
    log_event(LOG_LEVEL_DEBUG, "database_notice", log_str("severity", severity),
              log_str("sqlstate", PQresultErrorField(result, PG_DIAG_SQLSTATE)));
}

/* Positive: the socket is ready. 0: the time is over. Negative: it cannot be waited for. */
static int wait_for(PGconn *pg, short events, int64_t until)
{
    struct pollfd pollfd = {.fd = PQsocket(pg), .events = events};
    for (;;) {
        int64_t left = until - clock_monotonic_ms();
        int ready = poll(&pollfd, 1, left > 0 ? (int)left : 0);
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

enum connection_wait connection_wait_for_start(PGconn *pg, int64_t deadline)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    if (PQstatus(pg) == CONNECTION_BAD)
        return CONNECTION_LOST;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED)
            return CONNECTION_LOST;
        int ready = wait_for(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        if (ready <= 0)
            return ready ? CONNECTION_LOST : CONNECTION_LATE;
        next = PQconnectPoll(pg);
    }
    return CONNECTION_READY;
}

/* Why no connection could be made: libpq's first line, which names the place and the reason. */
static void log_failure(PGconn *pg, enum connection_wait how)
{
    char line[256];
    const char *message = how == CONNECTION_LATE ? "no answer in time" : PQerrorMessage(pg);
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(message, "\n"), message);
    const char *why = line;
    log_event(LOG_LEVEL_ERROR, "database_unreachable", log_str("message", why));
}

void connection_keywords(const char *conninfo, const char *keywords[CONNECTION_KEYWORDS],
                         const char *values[CONNECTION_KEYWORDS])
{
    /* The later wins: what stands before dbname is a default, what stands after it holds. A black-holed server is
     * noticed by tcp_user_timeout alone. */
    const char *const list[CONNECTION_KEYWORDS][2] = {
        {"fallback_application_name", "parley"},
        {"tcp_user_timeout", "3000"},
        {"dbname", conninfo ? conninfo : ""},
        {"client_encoding", "UTF8"},
        {NULL, NULL},
    };
    for (unsigned i = 0; i < CONNECTION_KEYWORDS; i++) {
        keywords[i] = list[i][0];
        values[i] = list[i][1];
    }
    /* libpq makes startup parameters of these two. */
    setenv("PGTZ", "UTC", 1);
    setenv("PGDATESTYLE", "ISO", 1);
}

enum status connection_open(struct connection *connection, const char *conninfo, int64_t deadline)
{
    const char *keywords[CONNECTION_KEYWORDS];
    const char *values[CONNECTION_KEYWORDS];
    connection_keywords(conninfo, keywords, values);
    connection_close(connection);

    PGconn *pg = PQconnectStartParams(keywords, values, 1);
    if (!pg)
        return ST_UNAVAILABLE;
    enum connection_wait how = connection_wait_for_start(pg, deadline);
    if (how != CONNECTION_READY || PQsetnonblocking(pg, 1) || !PQenterPipelineMode(pg)) {
        log_failure(pg, how);
        PQfinish(pg);
        return ST_UNAVAILABLE;
    }
    PQsetNoticeReceiver(pg, on_notice, connection);
    connection->pg = pg;
    return ST_OK;
}

void connection_close(struct connection *connection)
{
    PQfinish(connection->pg);
    *connection = (struct connection){0};
}

bool connection_is_alive(struct connection *connection)
{
    if (!connection->pg)
        return false;
    for (;;) {
        char byte;
        ssize_t n = recv(PQsocket(connection->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n < 0)
            return !connection->doomed && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        if (n == 0)
            return false;
        /* Something unasked: a changed parameter, or the server's farewell. PQisBusy makes libpq read it. */
        if (!PQconsumeInput(connection->pg) || PQisBusy(connection->pg))
            return false;
    }
}

enum connection_wait connection_next(struct connection *connection, int64_t deadline, PGresult **result)
{
    PGconn *pg = connection->pg;
    bool encrypted = PQsslInUse(pg) || PQgssEncInUse(pg);
    while (PQisBusy(pg)) {
        int unsent = PQflush(pg);
        if (unsent < 0)
            return CONNECTION_LOST;
        int64_t now = clock_monotonic_ms();
        if (now >= deadline)
            return CONNECTION_LATE;
        int64_t until = encrypted && now + ENCRYPTED_WAIT_MS < deadline ? now + ENCRYPTED_WAIT_MS : deadline;
        if (wait_for(pg, (short)(unsent ? POLLIN | POLLOUT : POLLIN), until) < 0 || !PQconsumeInput(pg))
            return CONNECTION_LOST;
    }
    *result = PQgetResult(pg);
    if (!*result && PQstatus(pg) == CONNECTION_BAD)
        return CONNECTION_LOST;
    return CONNECTION_READY;
}
