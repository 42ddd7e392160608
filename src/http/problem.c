/*
 * Errors as application/problem+json (RFC 9457).
 *
 * What must stay true: what was half written is gone; a problem is never cached; nothing the caller sent is repeated
 * but the names of its fields.
 */
#include "base/arena.h"
#include "http/reply.h"
#include "http/request.h"

#define RETRY_UNAVAILABLE 1 /* seconds, when nobody knows better */

static void write_errors(struct json_writer *json, const struct fault *fault)
{
    json_write_key(json, "errors");
    json_begin_array(json);
    for (unsigned i = 0; i < fault->fields; i++) {
        json_begin_object(json);
        json_put_text(json, "field", fault->field[i].field);
        json_put_text(json, "message", fault->field[i].message);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_headers(struct reply *reply, enum status status, const struct fault *fault)
{
    reply_header(reply, "Content-Type", "application/problem+json");
    reply_header(reply, "Cache-Control", "no-store");
    if (status == ST_UNAUTHENTICATED)
        reply_header(reply, "WWW-Authenticate", "Bearer");
    /* The same request would meet the same state; some clients repeat a 409 unless they are told. */
    if (status == ST_CONFLICT)
        reply_header(reply, "X-Should-Retry", "false");

    unsigned seconds = fault->retry_after;
    if (!seconds && status == ST_UNAVAILABLE)
        seconds = RETRY_UNAVAILABLE;
    if (seconds)
        buf_printf(&reply->headers, "Retry-After: %u\r\n", seconds);
}

void problem_reply(struct reply *reply, const struct request *request, enum status status, const struct fault *fault)
{
    static const struct fault none;
    if (!fault)
        fault = &none;
    reply_reset(reply);
    reply->status = status_http(status);
    write_headers(reply, status, fault);

    const char *code = fault->code ? fault->code : status_code(status);
    struct json_writer *json = &reply->json;
    json_begin_object(json);
    json_put_text(json, "type", arena_printf(reply->arena, "urn:parley:problem:%s", code));
    json_put_text(json, "title", reply_reason(reply->status));
    json_put_int(json, "status", reply->status);
    if (fault->detail)
        json_put_text(json, "detail", fault->detail);
    json_put_text(json, "code", code);
    if (fault->fields)
        write_errors(json, fault);
    json_put_text(json, "request_id", request->id);
    json_end_object(json);
}
