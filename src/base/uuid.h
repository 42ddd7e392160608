/*
 * UUIDs (RFC 9562) in the one form the program uses: canonical lower-case text.
 *
 * A struct uuid is always valid: only uuid_parse and the makers write one. That is what makes it safe to stand
 * inside a SET LOCAL.
 */
#ifndef PARLEY_BASE_UUID_H
#define PARLEY_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>

#define UUID_LEN 36

struct uuid {
    char text[UUID_LEN + 1];
};

/* Reads exactly 36 characters, 8-4-4-4-12 hexadecimal digits of either case, and nothing after them. False leaves
 * *uuid as it was. Any version and variant is accepted, the nil UUID too. */
bool uuid_parse(struct uuid *uuid, const char *text);

/* A new version 7 UUID: 48 bits of milliseconds, then a counter that grows within one millisecond in one process, then
 * random bits. Answers false when the system has no randomness to give. */
bool uuid_v7(struct uuid *uuid);

/* A new random (version 4) UUID: 122 secret bits. False as above. */
bool uuid_v4(struct uuid *uuid);

/* The 16 bytes, and back. */
void uuid_to_bytes(const struct uuid *uuid, unsigned char bytes[16]);
void uuid_from_bytes(struct uuid *uuid, const unsigned char bytes[16]);

#endif
