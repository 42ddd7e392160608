/*
 * One request, from its parameters to its answer.
 *
 * What must stay true: every request gets a complete answer; success is answered only after COMMIT; nothing in the
 * answer or the log tells more than the caller sent or owns.
 */
#include "server/serve.h"

#include <stdio.h>
#include <string.h>

#include "auth/identity.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/pattern.h"
#include "core/idempotency.h"
#include "core/quota.h"
#include "core/turn.h"

/* A request on its way: what the steps below hand to one another. */
struct passage {
    struct api api;
    struct quota quota;
    const char *key; /* Idempotency-Key, where it is honoured; else NULL */
};

/* Step: finds the route and who calls, where the route wants to know. */
static enum status admit(struct passage *passage)
{
    struct api *api = &passage->api;
    enum status status = route_find(api_routes, api->request, &api->match);
    if (status != ST_OK || api->match.route->access == ACCESS_ANYONE)
        return status;
    struct uuid user;
    status = identity_of(api->request, api->app->settings, &user, &api->call.fault);
    if (status != ST_OK)
        return status;
    call_set_user(&api->call, &user);
    if (!(api->match.route->flags & ROUTE_UNCOUNTED))
        status = quota_count(&api->call, &passage->quota);
    api->call.tx.read_only = (api->match.route->flags & ROUTE_READ_ONLY) && !passage->quota.report;
    return status;
}

/* Step: refuses a body that the route or the configuration does not take, whether it would be read or not. */
static enum status limit_body(struct api *api)
{
    size_t configured = (size_t)api->app->settings->max_body_bytes;
    size_t length = api->request->content_length;
    if (length <= api->match.route->body_max && length <= configured)
        return ST_OK;
    return fault_set(&api->call.fault, ST_TOO_LARGE, NULL, "The body is longer than this route takes.");
}

/* SHA-256 over what makes two requests the same: method, address, body. */
static enum status hash_request(struct api *api, char hex[CRYPTO_SHA256_HEX + 1])
{
    struct request *request = api->request;
    struct buf buf;
    unsigned char digest[CRYPTO_SHA256_LEN];
    enum status status = request_read_body(request, api->match.route->body_max, &api->call.fault);
    if (status != ST_OK)
        return status;
    buf_init(&buf, api->call.arena);
    buf_printf(&buf, "%s %s\n", request->method_name, request_param(request, "REQUEST_URI"));
    buf_add(&buf, request->body, request->body_len);
    status = buf.failed ? ST_UNAVAILABLE : crypto_sha256(buf.data, buf.len, digest);
    if (status == ST_OK)
        crypto_hex(digest, sizeof(digest), hex);
    return status;
}

/* Step: claims the idempotency key in the transaction that the handler will use. */
static enum status claim_key(struct passage *passage)
{
    struct api *api = &passage->api;
    const char *key = request_header(api->request, "Idempotency-Key");
    if (!key || !(api->match.route->flags & ROUTE_IDEMPOTENT_KEY))
        return ST_OK;
    if (!pattern_matches(PATTERN_IDEMPOTENCY_KEY, key))
        return fault_field(&api->call.fault, "Idempotency-Key", "must be 1 to 255 visible ASCII characters");
    char *hash = arena_alloc(api->call.arena, CRYPTO_SHA256_HEX + 1);
    enum status status = hash ? hash_request(api, hash) : ST_UNAVAILABLE;
    if (status != ST_OK)
        return status;
    passage->key = key;
    idempotency_queue_begin(&api->call, key, hash);
    return ST_OK;
}

/* The value of a header that the handler has set, "Location"; NULL when it has not. */
static const char *location_of(const struct reply *reply, struct arena *arena)
{
    static const char name[] = "Location: ";
    for (const char *at = reply->headers.data, *end = at + reply->headers.len; at && at < end;) {
        const char *eol = memchr(at, '\r', (size_t)(end - at));
        if (!eol)
            return NULL;
        if ((size_t)(eol - at) > strlen(name) && memcmp(at, name, strlen(name)) == 0)
            return arena_strndup(arena, at + strlen(name), (size_t)(eol - at) - strlen(name));
        at = eol + 2;
    }
    return NULL;
}

/* Step: stores the answer with its key and commits. */
static enum status keep_answer(struct passage *passage)
{
    struct api *api = &passage->api;
    if (!passage->key || api->call.end != DB_HOLD)
        return ST_OK;
    struct idempotency_answer answer = {
        .status = api->reply->status,
        .location = location_of(api->reply, api->call.arena),
        .body = buf_text(&api->reply->body),
    };
    if (!answer.body || !reply_ok(api->reply))
        return ST_UNAVAILABLE;
    return idempotency_finish(&api->call, passage->key, &answer);
}

/* Step: gives the stored answer again. */
static enum status repeat_answer(struct passage *passage)
{
    struct api *api = &passage->api;
    struct idempotency_answer answer;
    memset(&api->call.fault, 0, sizeof(api->call.fault));
    enum status status = idempotency_replay(&api->call, passage->key, &answer);
    if (status != ST_OK)
        return status;
    (void)reply_json(api->reply, answer.status);
    if (answer.location)
        reply_header(api->reply, "Location", answer.location);
    reply_header(api->reply, "Idempotency-Replayed", "true");
    buf_add_text(&api->reply->body, answer.body);
    return ST_OK;
}

/* All steps of a request that could be read. */
static enum status pass(struct passage *passage)
{
    struct api *api = &passage->api;
    enum status status = admit(passage);
    if (status == ST_OK)
        status = limit_body(api);
    if (status == ST_OK)
        status = claim_key(passage);
    if (status != ST_OK)
        return status;
    status = api->match.route->handler(api);
    if (status == ST_OK)
        status = keep_answer(passage);
    quota_settle(&api->call, &passage->quota, status);
    db_rollback(api->app->db);
    if (status == ST_CONFLICT && api->call.fault.code && strcmp(api->call.fault.code, "idempotency_replay") == 0)
        status = repeat_answer(passage);
    return status == ST_OK && !reply_ok(api->reply) ? ST_UNAVAILABLE : status;
}

static void number_header(struct reply *reply, const char *name, unsigned number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%u", number);
    reply_header(reply, name, text);
}

/* What every answer carries, and the problem where there is no answer. */
static void finish(struct passage *passage, enum status status)
{
    struct api *api = &passage->api;
    struct reply *reply = api->reply;
    if (status != ST_OK)
        problem_reply(reply, api->request, status, &api->call.fault);
    if (status == ST_NOT_ALLOWED)
        reply_header(reply, "Allow", api->match.allow);
    reply_header(reply, "X-Request-Id", api->request->id);
    if (passage->quota.limit) {
        number_header(reply, "RateLimit-Limit", passage->quota.limit);
        number_header(reply, "RateLimit-Remaining", passage->quota.remaining);
        number_header(reply, "RateLimit-Reset", passage->quota.reset);
    }
    if (api->request->method == METHOD_HEAD)
        reply->no_body = true;
}

/* What is handed over: nothing of a request that failed. The relay writes the answer's first lines, so it gets what
 * stands in them. */
static void finish_handover(struct passage *passage, enum status status, struct served *served)
{
    struct handover *handover = &passage->api.handover;
    if (status != ST_OK || handover->kind == HANDOVER_NONE)
        return;
    served->handover = *handover;
    if (handover->kind == HANDOVER_STOP)
        return;
    passage->api.reply->status = 200;
    served->handover.headers = buf_text(&passage->api.reply->headers);
}

void serve(const struct app *app, struct arena *arena, const char *const *params, request_read *read, void *source,
           struct reply *reply, struct served *served)
{
    int64_t start = clock_monotonic_us();
    struct request request;
    struct passage passage = {.api = {.app = app, .request = &request, .reply = reply}};
    reply_init(reply, arena);
    call_init(&passage.api.call, arena, app->db, app->settings);

    enum status status = request_init(&request, arena, params, read, source, &passage.api.call.fault);
    log_request(request.id);
    if (status == ST_OK)
        status = pass(&passage);
    finish(&passage, status);
    finish_handover(&passage, status, served);

    served->route = passage.api.match.route ? passage.api.match.index : ROUTE_NONE;
    served->status = reply->status;
    served->method = request.method_name;
    served->path = request.path;
    served->user = passage.api.call.user;
    served->micros = clock_monotonic_us() - start;
}

void serve_not_taken(const struct app *app, struct arena *arena, const struct served *served, struct reply *reply)
{
    const struct handover *handover = &served->handover;
    struct request request = {.arena = arena, .id = handover->request};
    struct call call;
    call_init(&call, arena, app->db, app->settings);
    call_set_user(&call, &handover->user);
    if (handover->kind == HANDOVER_TURN &&
        turn_fail(&call, &handover->turn, "overloaded", "No process was free to ask the model.") != ST_OK)
        log_event(LOG_LEVEL_WARN, "turn_not_ended", log_str("turn", handover->turn.text));
    memset(&call.fault, 0, sizeof(call.fault));
    enum status status = fault_set(&call.fault, ST_UNAVAILABLE, "overloaded", "Too many answers are being written.");
    problem_reply(reply, &request, status, &call.fault);
    reply_header(reply, "X-Request-Id", request.id);
}
