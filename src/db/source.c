/*
 * Reading another database in one read-only transaction. One of the files that know libpq.
 *
 * What must stay true: nothing is ever written there, which the transaction itself refuses; at most one answer and one
 * part of each stream are in memory; what the server says is logged only where it cannot hold a row's words.
 */
#include "db/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/connection.h"
#include "db/query_table.h"
#include "db/sqlstate.h"

#define CONNECT_MS 10000
#define LOOK_MS    200

struct source {
    struct connection connection;
    char *name;
    bool (*stop)(void);
    struct db_rows answer;
};

/* What an error means: wrong for this query, or just now. */
static enum status refusal(enum query query, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool wrong_sql = sqlstate && (!strncmp(sqlstate, "42", 2) || !strncmp(sqlstate, "XX", 2));
    log_event(LOG_LEVEL_ERROR, "source_error", log_str("query", query_table[query].name), log_str("sqlstate", sqlstate),
              log_str("message", wrong_sql ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL));
    return sqlstate && sqlstate_status(sqlstate) != ST_UNAVAILABLE ? ST_FORBIDDEN : ST_UNAVAILABLE;
}

/* The next answer, for which the source may take as long as it wants unless it is to stop. */
static enum status wait_for_result(struct source *source, enum query query, PGresult **result)
{
    enum connection_wait how = CONNECTION_LATE;
    while (how == CONNECTION_LATE) {
        if (source->stop())
            return ST_UNAVAILABLE;
        how = connection_next(&source->connection, clock_monotonic_ms() + LOOK_MS, result);
    }
    if (how == CONNECTION_READY)
        return ST_OK;
    log_event(LOG_LEVEL_ERROR, "source_lost", log_str("query", query_table[query].name));
    return ST_UNAVAILABLE;
}

/* Runs one query and takes its rows, which replace those of *rows. */
static enum status run(struct source *source, enum query query, const char *const *params, struct db_rows *rows)
{
    const struct query_text *text = &query_table[query];
    PQclear(rows->result);
    *rows = (struct db_rows){0};
    if (!source->connection.pg ||
        !PQsendQueryParams(source->connection.pg, text->text, (int)text->params, NULL, params, NULL, NULL, 0))
        return ST_UNAVAILABLE;
    PGresult *result = NULL, *end = NULL;
    enum status status = wait_for_result(source, query, &result);
    if (status == ST_OK)
        status = wait_for_result(source, query, &end);
    PQclear(end);
    ExecStatusType kind = PQresultStatus(result);
    if (status == ST_OK && (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK)) {
        *rows = (struct db_rows){.result = result, .count = (unsigned)PQntuples(result)};
        return ST_OK;
    }
    if (status == ST_OK)
        status = refusal(query, result);
    PQclear(result);
    connection_close(&source->connection);
    return status;
}

enum status source_open(struct source **source, const char *conninfo, bool (*stop)(void))
{
    struct source *opened = calloc(1, sizeof(*opened));
    *source = NULL;
    if (!opened)
        return ST_UNAVAILABLE;
    opened->stop = stop;
    enum status status = connection_open(&opened->connection, conninfo, clock_monotonic_ms() + CONNECT_MS);
    if (status == ST_OK) {
        opened->name = strdup(PQdb(opened->connection.pg));
        if (!opened->name || !PQexitPipelineMode(opened->connection.pg))
            status = ST_UNAVAILABLE;
    }
    if (status == ST_OK)
        status = run(opened, QUERY_SOURCE_BEGIN, NULL, &opened->answer);
    if (status == ST_OK)
        status = run(opened, QUERY_SOURCE_SETTINGS, NULL, &opened->answer);
    if (status == ST_OK)
        *source = opened;
    else
        source_close(opened);
    return status;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    PQclear(source->answer.result);
    connection_close(&source->connection);
    free(source->name);
    free(source);
}

const char *source_name(const struct source *source)
{
    return source->name;
}

enum status source_ask(struct source *source, enum query query, const char *const *params, unsigned count,
                       const struct db_rows **rows)
{
    *rows = &source->answer;
    return count == query_table[query].params ? run(source, query, params, &source->answer) : ST_INTERNAL;
}

enum status source_stream_open(struct source_stream *stream, struct source *source, enum query declare,
                               enum query fetch, enum query close, const char *const *params)
{
    *stream = (struct source_stream){.source = source, .fetch = fetch, .close = close};
    enum status status = run(source, declare, params, &stream->rows);
    stream->open = status == ST_OK;
    return status;
}

enum status source_stream_next(struct source_stream *stream, bool *there)
{
    enum status status = ST_OK;
    stream->row++;
    if (stream->row >= stream->rows.count) {
        status = run(stream->source, stream->fetch, NULL, &stream->rows);
        stream->row = 0;
    }
    *there = status == ST_OK && stream->rows.count > 0;
    return status;
}

void source_stream_close(struct source_stream *stream)
{
    if (!stream->open)
        return;
    (void)!run(stream->source, stream->close, NULL, &stream->rows);
    PQclear(stream->rows.result);
    *stream = (struct source_stream){0};
}
