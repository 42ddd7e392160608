/*
 * Reading JSON. The only user of json-c.
 *
 * json-c accepts what RFC 8259 does not (NaN, single quotes, raw control characters, overlong UTF-8, and more), so that
 * a validator of our own goes over the bytes first, in one pass: RFC 8259, UTF-8, no U+0000 (PostgreSQL cannot keep
 * it), no lone surrogate, no key twice in one object, at most JSON_DEPTH_MAX levels.
 */
#ifndef PARLEY_BASE_JSON_H
#define PARLEY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define JSON_DEPTH_MAX  32
#define JSON_VALUES_MAX 200000 /* each takes a hundred bytes or so: many tiny ones are far larger than their text */

struct arena;
struct json; /* a value inside a parsed document, owned by the arena it was parsed into */

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Where and why a text is refused. */
struct json_error {
    size_t offset;       /* of the first byte that cannot stand */
    const char *message; /* a static sentence: "duplicate key", "invalid UTF-8", ... */
    char key[65];        /* the top-level key under which it stands, cut to 64 bytes of valid UTF-8; "" when none */
};

/* Whether the n bytes are one JSON text as described above; on ST_INVALID *error says why. ST_TOO_LARGE: it has more
 * than JSON_VALUES_MAX values. ST_UNAVAILABLE: memory is out (scratch is taken from the arena). */
enum status json_check(struct arena *arena, const char *text, size_t n, struct json_error *error) MUST_CHECK;

/* Checks, then parses. The document lives until the arena is reset. text must stay as long: json_raw reads it. */
enum status json_parse(struct arena *arena, const char *text, size_t n, const struct json **document,
                       struct json_error *error) MUST_CHECK;

enum json_type json_type(const struct json *value);

/* The member of an object; NULL when there is none. JSON null is not NULL: its type is JSON_NULL. */
const struct json *json_member(const struct json *object, const char *key);

/* Members of an object in their order: for (i = 0; i < json_size(o); i++) json_key(o, i). size works for arrays too. */
size_t json_size(const struct json *container);
const char *json_key(const struct json *object, size_t index);
const struct json *json_element(const struct json *array, size_t index);

/* The value of a string (NUL-terminated, no NUL inside; *n may be NULL), an integer, a boolean. The type must fit. An
 * integer outside int64 has type JSON_DOUBLE. */
const char *json_string(const struct json *value, size_t *n);
int64_t json_int(const struct json *value);
bool json_bool(const struct json *value);
double json_double(const struct json *value);

/* The value as JSON text exactly as the caller wrote it (numbers keep every digit), copied into the arena. NULL: memory
 * is out. */
const char *json_raw(struct arena *arena, const struct json *value);

#endif
