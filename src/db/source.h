/*
 * Another database, read and never written: one transaction that sees it as it was when it was opened, and streams of
 * rows whose memory does not grow with their number.
 *
 * Waiting for an answer has no deadline of its own, for sorting a large table takes its time; `stop` is asked five
 * times a second whether to go on.
 */
#ifndef PARLEY_DB_SOURCE_H
#define PARLEY_DB_SOURCE_H

#include "base/status.h"
#include "db/queries.h"
#include "db/row.h"

struct source;

/* Opens it by libpq's own means and begins the transaction. ST_UNAVAILABLE: not reached, *source is NULL then; why
 * stands in the log. */
enum status source_open(struct source **source, const char *conninfo, bool (*stop)(void)) MUST_CHECK;

/* NULL is allowed. */
void source_close(struct source *source);

/* The database's name. */
const char *source_name(const struct source *source);

/* The answer to a query; rows live until the next call of source_ask. ST_UNAVAILABLE: told to stop, or the database is
 * gone. ST_FORBIDDEN: it refuses, which the log tells. After either nothing more can be asked. */
enum status source_ask(struct source *source, enum query query, const char *const *params, unsigned count,
                       const struct db_rows **rows) MUST_CHECK;

/* Rows of a cursor that `declare` declares with as many parameters as it has, fetched as many at a time as `fetch`
 * says. */
struct source_stream {
    struct source *source;
    enum query fetch, close;
    struct db_rows rows;
    unsigned row; /* the present one */
    bool open;
};

enum status source_stream_open(struct source_stream *stream, struct source *source, enum query declare,
                               enum query fetch, enum query close, const char *const *params) MUST_CHECK;

/* Goes on to the next row; *there is false behind the last. The row before is gone then. */
enum status source_stream_next(struct source_stream *stream, bool *there) MUST_CHECK;

/* Forgets the rows and ends the cursor. */
void source_stream_close(struct source_stream *stream);

#endif
