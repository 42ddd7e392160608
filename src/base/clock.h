/* Time: a monotonic clock for deadlines, the wall clock for tokens and logs, and the text of a moment. */
#ifndef PARLEY_BASE_CLOCK_H
#define PARLEY_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_RFC3339_LEN 24 /* 2026-01-31T12:00:00.123Z */

/* Milliseconds and microseconds that never jump (CLOCK_MONOTONIC). */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);

/* Milliseconds since the epoch (CLOCK_REALTIME). */
int64_t clock_real_ms(void);

/* The moment as RFC 3339 in UTC with milliseconds, NUL-terminated. */
void clock_rfc3339(int64_t real_ms, char text[CLOCK_RFC3339_LEN + 1]);

#endif
