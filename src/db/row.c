/*
 * Values of an answer. One of the files that know libpq.
 *
 * What must stay true: nothing is copied but the text of a time, which is made in the answer's own memory and ends with
 * it.
 */
#include "db/row.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

bool row_is_null(const struct db_rows *rows, unsigned row, unsigned column)
{
    return PQgetisnull(rows->result, (int)row, (int)column);
}

const char *row_text(const struct db_rows *rows, unsigned row, unsigned column)
{
    const char *text = PQgetvalue(rows->result, (int)row, (int)column);
    /* NULL reads as empty, and so only what is empty is asked whether it is NULL. */
    return text && !*text && row_is_null(rows, row, column) ? NULL : text;
}

size_t row_length(const struct db_rows *rows, unsigned row, unsigned column)
{
    return (size_t)PQgetlength(rows->result, (int)row, (int)column);
}

int64_t row_int(const struct db_rows *rows, unsigned row, unsigned column)
{
    const char *text = row_text(rows, row, column);
    return text ? strtoll(text, NULL, 10) : 0;
}

bool row_bool(const struct db_rows *rows, unsigned row, unsigned column)
{
    const char *text = row_text(rows, row, column);
    return text && *text == 't';
}

bool row_uuid(const struct db_rows *rows, unsigned row, unsigned column, struct uuid *uuid)
{
    const char *text = row_text(rows, row, column);
    return text && uuid_parse(uuid, text);
}

/* Length of "2026-01-31 12:00:00", and of the same with a fraction and a zone as RFC 3339 has them. */
#define SECONDS_LEN 19
#define RFC3339_LEN 27

const char *row_time(const struct db_rows *rows, unsigned row, unsigned column)
{
    const char *text = row_text(rows, row, column);
    size_t n = text ? row_length(rows, row, column) : 0;
    /* What is no common moment ("infinity", a year of five digits, another zone) is passed on as it is. */
    if (n < SECONDS_LEN + 3 || n > SECONDS_LEN + 10 || text[10] != ' ' || strcmp(text + n - 3, "+00") != 0)
        return text;
    char *time = PQresultAlloc(rows->result, RFC3339_LEN + 1);
    if (!time)
        return text;
    /* PostgreSQL drops the zeros at the end of a fraction, and an empty fraction with its dot. */
    memcpy(time, "0000-00-00T00:00:00.000000Z", RFC3339_LEN + 1);
    memcpy(time, text, n - 3);
    time[10] = 'T';
    return time;
}
