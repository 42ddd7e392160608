/*
 * How things end: the one error vocabulary of the program.
 *
 * Every function that can fail answers an enum status, which must be used. What there is to say beyond it
 * (a stable code, the field at fault, when to try again) goes into a struct fault, filled by whoever sees the
 * failure first and only ever passed upwards after that.
 */
#ifndef PARLEY_BASE_STATUS_H
#define PARLEY_BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    ST_OK,
    ST_INVALID,         /* the caller's input breaks a rule: 400 */
    ST_UNAUTHENTICATED, /* no proof of who calls, or one that does not hold: 401 */
    ST_FORBIDDEN,       /* known, but may not: 403 */
    ST_NOT_FOUND,       /* not there, or not the caller's: 404 */
    ST_NOT_ALLOWED,     /* the path is there, the method is not: 405 */
    ST_CONFLICT,        /* the state of the thing forbids it: 409 */
    ST_TOO_LARGE,       /* more bytes than the limit: 413 */
    ST_UNSUPPORTED,     /* not a media type that is read here: 415 */
    ST_UNPROCESSABLE,   /* well formed, yet it cannot be done: 422 */
    ST_TOO_MANY,        /* a quota is spent: 429, see fault.retry_after */
    ST_UNAVAILABLE,     /* the database, memory or time ran out: 503, nothing was acknowledged */
    ST_INTERNAL,        /* a defect of this program: 500 */
};

#define FAULT_FIELDS_MAX 8

/* One field of the input that is wrong. Both texts live as long as the request's arena, or for ever. */
struct fault_field {
    const char *field;
    const char *message;
};

struct fault {
    const char *code;     /* stable, snake_case; NULL: the status' own */
    const char *detail;   /* a sentence for people; NULL: none. Never holds what the caller sent */
    unsigned retry_after; /* seconds; 0: not said */
    unsigned fields;
    struct fault_field field[FAULT_FIELDS_MAX];
};

/* Sets code and detail, and answers status, so that a caller can `return fault_set(...)`. */
enum status fault_set(struct fault *fault, enum status status, const char *code, const char *detail) MUST_CHECK;

/* Adds a wrong field and answers ST_INVALID. The first mistake of a field is kept; beyond FAULT_FIELDS_MAX they are
 * dropped. */
enum status fault_field(struct fault *fault, const char *field, const char *message);

/* The HTTP status code and the default problem code ("not_found", ...) of a status. */
unsigned status_http(enum status status);
const char *status_code(enum status status);

#endif
