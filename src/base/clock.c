/* Time. What must stay true: deadlines are counted on the monotonic clock only, and text of a moment is always 24
 * bytes. */
#include "base/clock.h"

#define MS_MIN (-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define MS_MAX 253402300799999   /* 9999-12-31T23:59:59.999Z */

int64_t clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The lowest `width` decimal digits of number, with leading zeros, then the separator. Answers where to go on. */
static char *put_digits(char *at, int number, int width, char separator)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    at[width] = separator;
    return at + width + 1;
}

void clock_rfc3339(int64_t real_ms, char text[CLOCK_RFC3339_LEN + 1])
{
    /* RFC 3339 knows years of four digits: anything else is shown as the nearest it can say. */
    if (real_ms < MS_MIN)
        real_ms = MS_MIN;
    if (real_ms > MS_MAX)
        real_ms = MS_MAX;
    int ms = (int)(real_ms % 1000);
    time_t seconds = real_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm utc;
    gmtime_r(&seconds, &utc);
    text = put_digits(text, utc.tm_year + 1900, 4, '-');
    text = put_digits(text, utc.tm_mon + 1, 2, '-');
    text = put_digits(text, utc.tm_mday, 2, 'T');
    text = put_digits(text, utc.tm_hour, 2, ':');
    text = put_digits(text, utc.tm_min, 2, ':');
    text = put_digits(text, utc.tm_sec, 2, '.');
    text = put_digits(text, ms, 3, 'Z');
    *text = '\0';
}
