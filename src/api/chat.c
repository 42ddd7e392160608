/*
 * Turns over HTTP: a text is sent, its answer streamed, joined, polled, stopped, made anew.
 *
 * A handler here does its short transaction and leaves a handover: the worker gives the connection to a relay and is
 * free.
 */
#include <string.h>

#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"
#include "core/turn.h"

#define MODEL_NAME_MAX 200

/* One JSON answer for those who ask for JSON and not for events. */
static enum viewer_form wanted_form(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    bool json = accept && strstr(accept, "application/json") && !strstr(accept, "text/event-stream");
    return json ? VIEWER_JSON : VIEWER_EVENTS;
}

/* The id after which a viewer wants events: Last-Event-ID or ?after=; -1: not said. */
static long wanted_after(struct api *api)
{
    const char *header = request_header(api->request, "Last-Event-ID");
    if (!header)
        return query_int(api, "after", 0, 2147483647, -1);
    long after = 0;
    for (const char *c = header; *c; c++) {
        if (*c < '0' || *c > '9' || after > 200000000) {
            (void)!fault_field(&api->call.fault, "Last-Event-ID", "is not one that was given out");
            return -1;
        }
        after = after * 10 + (*c - '0');
    }
    return after;
}

static void hand_over(struct api *api, enum handover_kind kind, const struct uuid *session, const struct uuid *turn)
{
    api->handover.kind = kind;
    api->handover.form = wanted_form(api->request);
    api->handover.user = api->call.user;
    api->handover.session = *session;
    api->handover.turn = *turn;
    api->handover.request = api->request->id;
}

static enum status watch(struct api *api, const struct turn *turn, long after)
{
    hand_over(api, HANDOVER_WATCH, &turn->session, &turn->id);
    api->handover.after = after > 0 ? after : 0;
    return ST_OK;
}

/* Begins the turn; one that this very request began before is joined. */
static enum status begin(struct api *api, struct turn_new *new_turn)
{
    struct call *call = &api->call;
    struct turn_begun begun;
    struct turn turn;
    new_turn->key = call->end == DB_HOLD ? request_header(api->request, "Idempotency-Key") : NULL;
    if (!uuid_v7(&new_turn->turn) || !uuid_v7(&new_turn->user_message) || !uuid_v7(&new_turn->message))
        return ST_UNAVAILABLE;
    enum status status = turn_begin(call, new_turn, &begun);
    if (status == ST_CONFLICT && call->fault.code && strcmp(call->fault.code, "idempotency_replay") == 0) {
        memset(&call->fault, 0, sizeof(call->fault));
        status = turn_of_key(call, new_turn->key, &turn);
        if (status != ST_OK)
            return status;
        reply_header(api->reply, "Idempotency-Replayed", "true");
        return watch(api, &turn, 0);
    }
    if (status != ST_OK)
        return status;
    hand_over(api, HANDOVER_TURN, &new_turn->session, &new_turn->turn);
    api->handover.message = new_turn->message;
    api->handover.user_message = begun.user_message;
    api->handover.title = begun.title;
    api->handover.created = new_turn->created;
    api->handover.model = begun.model;
    api->handover.messages = begun.messages;
    return ST_OK;
}

/* A POST with Last-Event-ID comes from a client that lost its line: it means the turn that it began, never a new one.
 */
static enum status resume(struct api *api, const char *session_id, const char *text, long after)
{
    struct turn turn;
    const char *key = request_header(api->request, "Idempotency-Key");
    enum status status = key ? turn_of_key(&api->call, key, &turn) : turn_of_text(&api->call, session_id, text, &turn);
    if (status != ST_OK)
        return status;
    /* A key that was used in another session must not show its answer in this one. */
    if (session_id && strcmp(turn.session.text, session_id) != 0)
        return fault_set(&api->call.fault, ST_NOT_FOUND, "turn_not_found", "No such turn.");
    return watch(api, &turn, after);
}

static const char *text_field(struct api *api)
{
    const char *text = field_long_text(api, "text", FIELD_REQUIRED, (size_t)api->app->settings->max_message_bytes);
    if (text && !text[0])
        (void)!fault_field(&api->call.fault, "text", "must not be empty");
    return text;
}

enum status chat_send(struct api *api)
{
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *session_id = field_uuid(api, "session_id", FIELD_OPTIONAL);
    struct turn_new new_turn = {
        .created = !session_id,
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .helper = field_name(api, "helper"),
        .model = field_text(api, "model", FIELD_OPTIONAL, MODEL_NAME_MAX),
        .text = text_field(api),
        .parent_id = view_parent_field(api),
    };
    long after = wanted_after(api);
    if (!session_id && new_turn.parent_id)
        (void)!fault_field(&api->call.fault, "parent_message_id", "needs a session_id");
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    if (after >= 0)
        return resume(api, session_id, new_turn.text, after);
    bool made = session_id ? uuid_parse(&new_turn.session, session_id) : uuid_v7(&new_turn.session);
    return made ? begin(api, &new_turn) : ST_UNAVAILABLE;
}

enum status chat_regenerate(struct api *api)
{
    struct turn_new new_turn = {0};
    struct uuid message;
    enum status status = path_uuid(api, 0, &new_turn.session);
    if (status == ST_OK)
        status = path_uuid(api, 1, &message);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    new_turn.model = field_text(api, "model", FIELD_OPTIONAL, MODEL_NAME_MAX);
    new_turn.parent_id = message.text;
    status = fields_check(api);
    return status == ST_OK ? begin(api, &new_turn) : status;
}

/* Joins the turn that runs, or gives the rest of one that a client was watching when it ended. */
enum status chat_stream(struct api *api)
{
    struct uuid session;
    struct turn turn;
    bool found = false;
    long after = wanted_after(api);
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = turn_latest(&api->call, &session, &turn, &found);
    if (status != ST_OK)
        return status;
    if (found && (turn.running || (after >= 0 && after < turn.last_event_id)))
        return watch(api, &turn, after);
    reply_empty(api->reply);
    return ST_OK;
}

/* The saved events of the newest turn as JSON, at once: for those who cannot stream. */
enum status chat_events(struct api *api)
{
    struct uuid session;
    struct turn turn;
    struct turn_rows rows = {0};
    bool found = false;
    long after = wanted_after(api);
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = turn_latest(&api->call, &session, &turn, &found);
    if (status == ST_OK && found)
        status = turn_events(&api->call, &turn.id, after > 0 ? after : 0, &rows);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    reply_header(api->reply, "Cache-Control", "no-store");
    json_begin_array(json);
    for (unsigned i = 0; i < rows.count; i++) {
        /* The event as viewers get it, its id and turn in front of the rest of the object. */
        json_write_raw(json, arena_printf(api->call.arena, "{\"id\":%ld,\"turn_id\":\"%s\",%s", rows.row[i].id,
                                          turn.id.text, rows.row[i].data + 1));
    }
    json_end_array(json);
    return ST_OK;
}

enum status chat_stop(struct api *api)
{
    struct uuid session, turn;
    bool running = false;
    enum status status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = turn_stop(&api->call, &session, &turn, &running);
    if (status != ST_OK)
        return status;
    if (!running) {
        reply_empty(api->reply);
        return ST_OK;
    }
    hand_over(api, HANDOVER_STOP, &session, &turn);
    struct json_writer *json = reply_json(api->reply, 202);
    json_begin_object(json);
    json_put_text(json, "turn_id", turn.text);
    json_end_object(json);
    return ST_OK;
}
