/*
 * The shapes of small inputs, as regular expressions. The only user of PCRE2.
 *
 * All patterns of the program stand in one table in pattern.c, are anchored at both ends, compiled once by
 * pattern_init, and run under a match limit, so that no input can make them run long.
 */
#ifndef PARLEY_BASE_PATTERN_H
#define PARLEY_BASE_PATTERN_H

#include <stdbool.h>

enum pattern {
    /* ASCII: one @, up to 64 bytes before it, a host name with a dot behind it, up to 254 in all; no double quotes. */
    PATTERN_EMAIL,
    PATTERN_IDEMPOTENCY_KEY, /* 1 to 255 visible ASCII characters */
    PATTERN_REQUEST_ID,      /* 8 to 64 of A-Z a-z 0-9 . _ - */
    PATTERN_NAME,            /* a helper's name: a-z 0-9 _ -, starts with a letter, up to 64 */
    PATTERN_HTTP_URL,        /* http:// or https://, a host, no spaces or control characters, up to 2048 */
    /* A day that there is, from year 1 to 9999, T or a blank, a time of day, and a zone or none; as in
       sql/queries/legacy_source.sql. */
    PATTERN_MOMENT,
    PATTERN_COUNT
};

/* Compiles the table; call once before any fork. False when memory is out. */
bool pattern_init(void);

/* Whether the whole text has that shape. */
bool pattern_matches(enum pattern pattern, const char *text);

#endif
