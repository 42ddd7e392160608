/*
 * One request as the program sees it: decoded once, bounded, from the FastCGI parameters (RFC 3875 names). Knows
 * nothing of FastCGI's library, so that tests make requests from plain arrays.
 *
 * The path comes from REQUEST_URI by the one decoder here, never from PATH_INFO or SCRIPT_NAME: percent-decoded once
 * per segment after the split at '/', so %2F stays inside its segment; a NUL, control character or invalid UTF-8 is
 * ST_INVALID; "." and ".." segments are ST_INVALID; an empty segment is ST_NOT_FOUND, also at the end: what a web
 * server allows or limits for one path must not be passed by a slash more.
 */
#ifndef PARLEY_HTTP_REQUEST_H
#define PARLEY_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define REQUEST_URI_MAX      4096
#define REQUEST_SEGMENTS_MAX 12
#define REQUEST_QUERY_MAX    32
#define REQUEST_HEADER_MAX   8192 /* longest header value that is read */
#define REQUEST_COOKIES_MAX  50

struct arena;

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_OTHER
};

struct request_pair {
    const char *name;
    const char *value;
};

/* Where the body comes from: reads up to n bytes, answers how many, 0 at the end, -1 on an error. */
typedef long request_read(void *source, char *bytes, size_t n);

struct request {
    struct arena *arena;
    const char *id; /* X-Request-Id: the caller's when it has the right shape, else a new one */
    enum method method;
    const char *method_name;
    const char *const *params; /* NULL-terminated "NAME=value" */
    const char *path;          /* the raw path of the URI, for the log: no query, control characters never inside */
    unsigned segments;
    const char *segment[REQUEST_SEGMENTS_MAX];
    unsigned queries;
    struct request_pair query[REQUEST_QUERY_MAX];
    request_read *read;
    void *source;
    size_t content_length;
    const char *body; /* after request_read_body: NUL-terminated */
    size_t body_len;
    bool body_read;
};

/* Fills *request from the parameters. On ST_INVALID, ST_TOO_LARGE or ST_NOT_FOUND the request still has an id, a method
 * and a path good enough for an answer and the log, and fault says what is wrong. */
enum status request_init(struct request *request, struct arena *arena, const char *const *params, request_read *read,
                         void *source, struct fault *fault) MUST_CHECK;

/* A FastCGI parameter ("REMOTE_ADDR"); NULL when absent or empty. The first of several counts. */
const char *request_param(const struct request *request, const char *name);

/* A header by its usual name ("X-User-ID"); NULL when absent or empty. Never "Proxy". */
const char *request_header(const struct request *request, const char *name);

/* A query parameter; NULL when absent. "" when it is there without a value. A parameter given twice with two values is
 * refused by request_init (ST_INVALID with the field's name). */
const char *request_query(const struct request *request, const char *name);

/* A cookie's value (RFC 6265, quotes taken off); NULL when absent. The first of several counts. */
const char *request_cookie(const struct request *request, const char *name);

/* Reads exactly CONTENT_LENGTH bytes. ST_TOO_LARGE beyond max, ST_INVALID when fewer come. A second call answers ST_OK.
 */
enum status request_read_body(struct request *request, size_t max, struct fault *fault) MUST_CHECK;

/* Whether the body is declared application/json (parameters allowed); an absent Content-Type with no body counts as
 * JSON. */
bool request_is_json(const struct request *request);

/* Whether the caller's own connection is https, by HTTPS=on or X-Forwarded-Proto (the front server's). */
bool request_is_https(const struct request *request);

/* The external address, "https://host", made of scheme and Host; NULL without a Host. */
const char *request_origin(const struct request *request);

#endif
