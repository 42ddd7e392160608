/*
 * An ended turn as one JSON answer.
 *
 * What must stay true: a 200 is only ever said of a turn that ended with `done`; a problem tells clients not to send
 * the message again, for it is stored.
 */
#include "relay/answer.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "relay/audience.h"

/* The HTTP status of what can go wrong; all that is not named is the model's: 502. */
struct code_status {
    const char *code;
    unsigned status;
    const char *reason;
};

static const struct code_status code_statuses[] = {
    {"model_rate_limited", 429, "Too Many Requests"},
    {"model_timeout", 504, "Gateway Timeout"},
    {"turn_gone", 410, "Gone"},
    {"not_saved", 503, "Service Unavailable"},
    {"overloaded", 503, "Service Unavailable"},
    {"interrupted", 503, "Service Unavailable"},
    {"unavailable", 503, "Service Unavailable"},
};
static const struct code_status model_failed = {NULL, 502, "Bad Gateway"};

/* What a problem says. */
struct problem {
    const char *code;
    const char *detail;
    int64_t retry_after;            /* 0: not said */
    const struct audience *session; /* NULL: none to name */
    const struct json *first;       /* the session's event; NULL: none */
};

static const struct code_status *status_of(const char *code)
{
    for (unsigned i = 0; i < sizeof(code_statuses) / sizeof(code_statuses[0]); i++)
        if (strcmp(code, code_statuses[i].code) == 0)
            return &code_statuses[i];
    return &model_failed;
}

/* Header block and body; the body was made first, for its length. */
static void write_answer(struct buf *out, unsigned status, const char *reason, const char *type, const char *headers,
                         const struct buf *body)
{
    if (body->failed) {
        out->failed = true;
        return;
    }
    buf_printf(out, "Status: %u %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\nContent-Length: %zu\r\n", status,
               reason, type, body->len);
    buf_add_text(out, headers ? headers : "");
    buf_add_text(out, "\r\n");
    buf_add(out, body->data, body->len);
}

static const char *text_member(const struct json *object, const char *key)
{
    const struct json *value = object ? json_member(object, key) : NULL;
    return value && json_type(value) == JSON_STRING ? json_string(value, NULL) : NULL;
}

/* Copies a member as it stands; null where there is none. */
static void put_member(struct json_writer *json, struct arena *arena, const struct json *object, const char *key)
{
    const struct json *value = object ? json_member(object, key) : NULL;
    json_put_raw(json, key, value ? json_raw(arena, value) : NULL);
}

static void write_problem(const struct problem *problem, const char *headers, const char *request, struct arena *arena,
                          struct buf *out)
{
    const struct code_status *status = status_of(problem->code);
    struct json_writer json;
    struct buf body, lines;
    buf_init(&body, arena);
    json_writer_init(&json, &body);
    json_begin_object(&json);
    json_put_text(&json, "type", arena_printf(arena, "urn:parley:problem:%s", problem->code));
    json_put_text(&json, "title", status->reason);
    json_put_int(&json, "status", status->status);
    json_put_text(&json, "detail", problem->detail);
    json_put_text(&json, "code", problem->code);
    json_put_text(&json, "request_id", request);
    if (problem->session) {
        json_put_text(&json, "session_id", problem->session->session.text);
        json_put_text(&json, "turn_id", problem->session->turn.text);
        put_member(&json, arena, problem->first, "message_id");
        put_member(&json, arena, problem->first, "user_message_id");
    }
    json_end_object(&json);

    buf_init(&lines, arena);
    buf_add_text(&lines, "x-should-retry: false\r\n");
    if (problem->retry_after > 0 || status->status == 503)
        buf_printf(&lines, "Retry-After: %lld\r\n", (long long)(problem->retry_after > 0 ? problem->retry_after : 1));
    buf_add_text(&lines, headers ? headers : "");
    write_answer(out, status->status, status->reason, "application/problem+json", buf_text(&lines), &body);
}

/* Reads an event's JSON; NULL when it cannot be read. */
static const struct json *read_event(struct arena *arena, const char *text, size_t n)
{
    struct json_error error;
    const struct json *event = NULL;
    if (!text || json_parse(arena, text, n, &event, &error) != ST_OK || json_type(event) != JSON_OBJECT)
        return NULL;
    return event;
}

static void put_log_text(struct json_writer *json, const struct turn_log *log, enum turn_event type, const char *key,
                         struct arena *arena)
{
    struct buf text;
    buf_init(&text, arena);
    turn_log_text(log, type, &text);
    json_write_key(json, key);
    if (type == TURN_TOKEN || text.len)
        json_write_string(json, text.data ? text.data : "", text.len);
    else
        json_write_null(json);
    if (text.failed)
        json->out->failed = true;
}

static void write_done(const struct audience *audience, const struct json *first, const struct json *last,
                       const char *headers, struct arena *arena, struct buf *out)
{
    const char *status = text_member(last, "status");
    struct json_writer json;
    struct buf body;
    buf_init(&body, arena);
    json_writer_init(&json, &body);
    json_begin_object(&json);
    json_put_text(&json, "session_id", audience->session.text);
    json_put_text(&json, "turn_id", audience->turn.text);
    put_member(&json, arena, first, "message_id");
    put_member(&json, arena, first, "user_message_id");
    put_member(&json, arena, last, "title");
    put_member(&json, arena, first, "created");
    json_put_text(&json, "status", status ? status : "complete");
    put_log_text(&json, &audience->log, TURN_TOKEN, "content", arena);
    put_log_text(&json, &audience->log, TURN_REASONING, "reasoning", arena);
    put_member(&json, arena, last, "tool_calls");
    put_member(&json, arena, last, "finish_reason");
    put_member(&json, arena, last, "usage");
    json_end_object(&json);
    write_answer(out, 200, "OK", "application/json", headers, &body);
}

static void write_response(const struct audience *audience, const char *thread, const char *headers,
                           struct arena *arena, struct buf *out)
{
    struct json_writer json;
    struct buf body;
    buf_init(&body, arena);
    json_writer_init(&json, &body);
    json_begin_object(&json);
    put_log_text(&json, &audience->log, TURN_TOKEN, "response", arena);
    json_put_text(&json, "thread_id", thread);
    json_end_object(&json);
    write_answer(out, 200, "OK", "application/json", headers, &body);
}

void answer_write(const struct audience *audience, const char *thread, const char *headers, const char *request,
                  struct arena *arena, struct buf *out)
{
    size_t n;
    const char *words = turn_log_first_words(&audience->log, &n);
    const struct json *first = read_event(arena, words, words ? n : 0);
    words = audience->last_words;
    n = words ? strlen(words) : 0;
    if (!words)
        words = turn_log_last_words(&audience->log, &n);
    const struct json *last = read_event(arena, words, n);
    const char *type = text_member(last, "type");
    if (type && strcmp(type, turn_event_name(TURN_DONE)) == 0) {
        if (thread)
            write_response(audience, thread, headers, arena, out);
        else
            write_done(audience, first, last, headers, arena, out);
        return;
    }
    const struct json *retry = last ? json_member(last, "retry_after") : NULL;
    const char *code = text_member(last, "code"), *detail = text_member(last, "message");
    struct problem problem = {
        .code = code ? code : "unavailable",
        .detail = code ? detail : "The answer goes on elsewhere; ask for it again.",
        .retry_after = retry && json_type(retry) == JSON_INT ? json_int(retry) : 0,
        .session = audience,
        .first = first,
    };
    write_problem(&problem, headers, request, arena, out);
}

void answer_write_problem(const char *code, const char *detail, const char *headers, const char *request,
                          struct arena *arena, struct buf *out)
{
    write_problem(&(struct problem){.code = code, .detail = detail}, headers, request, arena, out);
}
