/* Rows of an answer, in the text form PostgreSQL gives. Rows and columns count from 0. */
#ifndef PARLEY_DB_ROW_H
#define PARLEY_DB_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

struct arena;

struct db_rows {
    void *result; /* a PGresult, owned by the arena */
    unsigned count;
    int64_t affected; /* rows an INSERT, UPDATE or DELETE touched */
};

bool row_is_null(const struct db_rows *rows, unsigned row, unsigned column);

/* The text of a value, NULL for SQL NULL. Lives as long as the request's arena. */
const char *row_text(const struct db_rows *rows, unsigned row, unsigned column);
size_t row_length(const struct db_rows *rows, unsigned row, unsigned column);

/* 0 and false for SQL NULL. */
int64_t row_int(const struct db_rows *rows, unsigned row, unsigned column);
bool row_bool(const struct db_rows *rows, unsigned row, unsigned column);

/* A uuid column; false for SQL NULL. */
bool row_uuid(const struct db_rows *rows, unsigned row, unsigned column, struct uuid *uuid);

/* A timestamptz as RFC 3339 in UTC with microseconds, "2026-01-31T12:00:00.123456Z"; NULL for SQL NULL. The
 * connection's TimeZone is UTC and its DateStyle ISO, so this only changes the separators and fills the zeros. Lives as
 * long as the rows; row_text still answers PostgreSQL's own text. */
const char *row_time(const struct db_rows *rows, unsigned row, unsigned column);

#endif
