/*
 * One answer, built in the request's arena.
 *
 * What must stay true: nothing a caller sent can add a header line; a reply is complete before it is sent.
 */
#include "http/reply.h"

#include <string.h>

#include "base/log.h"

void reply_init(struct reply *reply, struct arena *arena)
{
    *reply = (struct reply){.arena = arena};
    reply_reset(reply);
}

void reply_reset(struct reply *reply)
{
    reply->status = 0;
    reply->no_body = false;
    buf_init(&reply->headers, reply->arena);
    buf_init(&reply->body, reply->arena);
    json_writer_init(&reply->json, &reply->body);
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    }
    return true;
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (!value || !is_printable(value)) {
        log_event(LOG_LEVEL_WARN, "header_dropped", log_str("name", name));
        return;
    }
    buf_add_text(&reply->headers, name);
    buf_add(&reply->headers, ": ", 2);
    buf_add_text(&reply->headers, value);
    buf_add(&reply->headers, "\r\n", 2);
}

struct json_writer *reply_json(struct reply *reply, unsigned status)
{
    reply->status = status;
    reply_header(reply, "Content-Type", "application/json");
    return &reply->json;
}

void reply_empty(struct reply *reply)
{
    reply->status = 204;
    reply->no_body = true;
    buf_init(&reply->body, reply->arena);
}

bool reply_ok(const struct reply *reply)
{
    return !reply->headers.failed && !reply->body.failed;
}

const char *reply_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}
