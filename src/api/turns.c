/*
 * Sending, in whatever words a dialect has for it.
 *
 * A handler does its short transaction and leaves a handover: the worker gives the connection to a relay and is free.
 */
#include "api/turns.h"

#include <string.h>

#include "api/fields.h"
#include "base/settings.h"
#include "core/copy.h"

#define MODEL_NAME_MAX 200

bool turns_wants_json(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return accept && strstr(accept, "application/json") && !strstr(accept, "text/event-stream");
}

const char *turns_text_field(struct api *api)
{
    const char *text = field_long_text(api, "text", FIELD_REQUIRED, (size_t)api->app->settings->max_message_bytes);
    if (text && !text[0])
        (void)!fault_field(&api->call.fault, field_spelling(api, "text"), "must not be empty");
    return text;
}

/* Whether a comma-separated list holds the name; around the commas there may be blanks. */
static bool lists(const char *list, const char *name)
{
    size_t len = strlen(name);
    while (*list) {
        list += strspn(list, ", \t");
        size_t n = strcspn(list, ",");
        const char *next = list + n;
        while (n && (list[n - 1] == ' ' || list[n - 1] == '\t'))
            n--;
        if (n == len && n && memcmp(list, name, n) == 0)
            return true;
        list = next;
    }
    return false;
}

/* Every model costs the one who runs the server something else. */
static bool is_offered(const struct settings *settings, const char *name)
{
    return strcmp(settings->models, "*") == 0 || strcmp(settings->model_name, name) == 0 ||
           lists(settings->models, name);
}

const char *turns_model_field(struct api *api)
{
    const char *name = field_text(api, "model", FIELD_OPTIONAL, MODEL_NAME_MAX);
    if (!name || !*name)
        return NULL;
    if (!is_offered(api->app->settings, name))
        (void)!fault_field(&api->call.fault, "model", "is not offered here");
    return name;
}

long turns_after(struct api *api)
{
    const char *header = request_header(api->request, "Last-Event-ID");
    if (!header || !header[0])
        return query_int(api, "after", 0, HANDOVER_ID_MAX, -1);
    long after = 0;
    for (const char *c = header; *c; c++) {
        if (*c < '0' || *c > '9' || after > (HANDOVER_ID_MAX - 9) / 10) {
            (void)!fault_field(&api->call.fault, "Last-Event-ID", "is not one that was given out");
            return -1;
        }
        after = after * 10 + (*c - '0');
    }
    return after;
}

void turns_hand_over(struct api *api, enum handover_kind kind, const struct uuid *session, const struct uuid *turn)
{
    api->handover.kind = kind;
    api->handover.user = api->call.user;
    api->handover.session = *session;
    api->handover.turn = *turn;
    api->handover.request = api->request->id;
}

/* Whether the viewer's form names the thread. */
static bool names_thread(const struct api *api)
{
    return api->handover.form == VIEWER_FRAMES || api->handover.form == VIEWER_REPLY;
}

enum status turns_watch(struct api *api, const struct turn *turn, long after)
{
    turns_hand_over(api, HANDOVER_WATCH, &turn->session, &turn->id);
    api->handover.id_base = turn->id_base;
    api->handover.after = after > turn->id_base ? after - turn->id_base : 0;
    api->handover.thread = names_thread(api) ? turn->thread : NULL;
    return ST_OK;
}

/* The session to go on in, by the name of its thread where one is given; and what the viewer is told of it. */
static enum status open_thread(struct api *api, struct turn_new *new_turn, const struct thread_name *name)
{
    struct call *call = &api->call;
    struct thread thread;
    enum status status = name ? thread_open(call, name, &thread) : ST_OK;
    if (status == ST_OK && name) {
        new_turn->session = thread.session;
        api->handover.created = thread.created;
        api->handover.thread = thread.name;
    } else if (names_thread(api)) {
        api->handover.thread = thread_name_of_session(call->arena, &new_turn->session);
    }
    if (status == ST_OK && names_thread(api) && !api->handover.thread)
        return ST_UNAVAILABLE;
    return status;
}

/* The turn that the request's key began before. */
static enum status join(struct api *api, const char *key)
{
    struct turn turn;
    memset(&api->call.fault, 0, sizeof(api->call.fault));
    enum status status = turn_of_key(&api->call, key, &turn);
    if (status != ST_OK)
        return status;
    reply_header(api->reply, "Idempotency-Replayed", "true");
    return turns_watch(api, &turn, 0);
}

enum status turns_begin(struct api *api, struct turn_new *new_turn, const struct thread_name *thread)
{
    struct call *call = &api->call;
    struct turn_begun begun;
    new_turn->key = call->end == DB_HOLD ? request_header(api->request, "Idempotency-Key") : NULL;
    if (!uuid_v7(&new_turn->turn) || !uuid_v7(&new_turn->user_message) || !uuid_v7(&new_turn->message))
        return ST_UNAVAILABLE;
    struct turn answered = {0};
    api->handover.created = new_turn->created;
    enum status status = open_thread(api, new_turn, thread);
    if (status == ST_OK && new_turn->copied && !api->handover.created)
        status = copy_question(call, new_turn, &answered);
    if (status == ST_OK && answered.id.text[0]) {
        answered.thread = api->handover.thread;
        return turns_watch(api, &answered, 0);
    }
    if (status == ST_OK)
        status = turn_begin(call, new_turn, &begun);
    if (status == ST_CONFLICT && call->fault.code && strcmp(call->fault.code, "idempotency_replay") == 0)
        return join(api, new_turn->key);
    if (status != ST_OK)
        return status;
    turns_hand_over(api, HANDOVER_TURN, &new_turn->session, &new_turn->turn);
    api->handover.message = new_turn->message;
    api->handover.user_message = begun.user_message;
    api->handover.id_base = begun.id_base;
    api->handover.title = begun.title;
    api->handover.model = begun.model;
    api->handover.messages = begun.messages;
    return ST_OK;
}

enum status turns_resume(struct api *api, const char *session_id, const char *text, long after)
{
    struct turn turn;
    const char *key = request_header(api->request, "Idempotency-Key");
    enum status status = key    ? turn_of_key(&api->call, key, &turn)
                         : text ? turn_of_text(&api->call, session_id, text, &turn)
                                : turn_of_event(&api->call, session_id, after, &turn);
    if (status != ST_OK)
        return status;
    /* A key that was used in another session must not show its answer in this one. */
    if (session_id && strcmp(turn.session.text, session_id) != 0)
        return fault_set(&api->call.fault, ST_NOT_FOUND, "turn_not_found", "No such turn.");
    return turns_watch(api, &turn, after);
}
