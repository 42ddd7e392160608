/*
 * One answer: status, headers, body, all in the request's arena. Nothing is sent before it is complete; http/fcgi sends
 * it with its Content-Length.
 */
#ifndef PARLEY_HTTP_REPLY_H
#define PARLEY_HTTP_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/json_writer.h"
#include "base/status.h"

struct request;

struct reply {
    struct arena *arena;
    unsigned status;    /* HTTP; 0: not decided */
    struct buf headers; /* "Name: value\r\n" lines */
    struct buf body;
    struct json_writer json; /* writes into body */
    bool no_body;            /* set for HEAD by whoever sends: Content-Length counts the body, which stays here */
};

void reply_init(struct reply *reply, struct arena *arena);

/* Starts over, for a problem after half an answer: status, headers and body are emptied. */
void reply_reset(struct reply *reply);

/* Adds a header. A value with a control character is dropped (and logged): no header can be forged through it. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* A JSON answer: sets the status and Content-Type, answers the writer for the body. */
struct json_writer *reply_json(struct reply *reply, unsigned status);

/* 204 without a body. */
void reply_empty(struct reply *reply);

/* Whether everything fitted into memory. */
bool reply_ok(const struct reply *reply);

/* The reason phrase of an HTTP status (RFC 9110), "Unknown" for one that this program never sends. */
const char *reply_reason(unsigned status);

/* Turns status and fault into application/problem+json (RFC 9457): type, title, status, detail, code, errors,
 * request_id; Retry-After where fault has it (1 with 503 otherwise); Cache-Control: no-store; WWW-Authenticate with
 * 401. Whatever was in the reply is dropped. The Allow header of a 405 is the caller's to add afterwards. A NULL fault
 * says nothing beyond the status. */
void problem_reply(struct reply *reply, const struct request *request, enum status status, const struct fault *fault);

#endif
