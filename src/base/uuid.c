/*
 * UUIDs in canonical lower-case text.
 *
 * What must stay true: only 36 characters of [0-9a-f-] ever get into a struct uuid, and version 7 UUIDs of one process
 * sort in the order they were made, also when the wall clock steps back. After a fork parent and child share the
 * counter's last value: the 62 random bits keep their UUIDs apart.
 */
#include "base/uuid.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/status.h"

#define COUNTER_MAX 0xFFF

static struct {
    uint64_t ms;
    unsigned counter;
} last;

static bool is_dash(unsigned at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* The character in lower case if it may stand at that place, else NUL. */
static char canonical(unsigned at, char c)
{
    if (is_dash(at))
        return c == '-' ? c : '\0';
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
        return c;
    return c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : '\0';
}

bool uuid_parse(struct uuid *uuid, const char *text)
{
    struct uuid parsed;
    for (unsigned at = 0; at < UUID_LEN; at++) {
        parsed.text[at] = canonical(at, text[at]);
        if (!parsed.text[at])
            return false;
    }
    if (text[UUID_LEN])
        return false;
    parsed.text[UUID_LEN] = '\0';
    *uuid = parsed;
    return true;
}

/* Moves on to the next pair of millisecond and counter. A new millisecond starts at a random place in the lower half of
 * the counter; a counter that is used up borrows the next millisecond (RFC 9562, 6.2). */
static void next_moment(unsigned seed)
{
    uint64_t now = (uint64_t)clock_real_ms();
    if (now > last.ms)
        last.ms = now;
    else if (last.counter < COUNTER_MAX) {
        last.counter++;
        return;
    } else
        last.ms++;
    last.counter = seed & (COUNTER_MAX >> 1);
}

bool uuid_v7(struct uuid *uuid)
{
    unsigned char bytes[16];
    if (crypto_random(bytes + 6, 10) != ST_OK)
        return false;
    next_moment((unsigned)bytes[6] << 8 | bytes[7]);
    for (unsigned i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(last.ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | last.counter >> 8);
    bytes[7] = (unsigned char)last.counter;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    uuid_from_bytes(uuid, bytes);
    return true;
}

bool uuid_v4(struct uuid *uuid)
{
    unsigned char bytes[16];
    if (crypto_random(bytes, sizeof(bytes)) != ST_OK)
        return false;
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    uuid_from_bytes(uuid, bytes);
    return true;
}

static unsigned char digit_value(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void uuid_to_bytes(const struct uuid *uuid, unsigned char bytes[16])
{
    const char *at = uuid->text;
    for (unsigned i = 0; i < 16; i++) {
        if (*at == '-')
            at++;
        bytes[i] = (unsigned char)(digit_value(at[0]) << 4 | digit_value(at[1]));
        at += 2;
    }
}

void uuid_from_bytes(struct uuid *uuid, const unsigned char bytes[16])
{
    static const char digits[] = "0123456789abcdef";
    char *at = uuid->text;
    for (unsigned i = 0; i < 16; i++) {
        if (is_dash((unsigned)(at - uuid->text)))
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
}
