/* Turns over HTTP: a text is sent, its answer streamed, joined, polled, stopped, made anew. */
#include <string.h>

#include "api/fields.h"
#include "api/handlers.h"
#include "api/turns.h"
#include "api/views.h"

static enum viewer_form wanted_form(const struct request *request)
{
    return turns_wants_json(request) ? VIEWER_JSON : VIEWER_EVENTS;
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
        .model = turns_model_field(api),
        .text = turns_text_field(api),
        .parent_id = view_parent_field(api),
    };
    long after = turns_after(api);
    if (!session_id && new_turn.parent_id)
        (void)!fault_field(&api->call.fault, "parent_message_id", "needs a session_id");
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    api->handover.form = wanted_form(api->request);
    if (after >= 0)
        return turns_resume(api, session_id, new_turn.text, after);
    bool made = session_id ? uuid_parse(&new_turn.session, session_id) : uuid_v7(&new_turn.session);
    return made ? turns_begin(api, &new_turn, NULL) : ST_UNAVAILABLE;
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
    new_turn.model = turns_model_field(api);
    new_turn.parent_id = message.text;
    api->handover.form = wanted_form(api->request);
    long after = turns_after(api);
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    return after >= 0 ? turns_resume(api, new_turn.session.text, NULL, after) : turns_begin(api, &new_turn, NULL);
}

/* Joins the turn that runs, or gives the rest of one that a client was watching when it ended, then what followed. */
enum status chat_stream(struct api *api)
{
    struct uuid session;
    struct turn turn;
    bool found = false;
    long after = turns_after(api);
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = turn_watched(&api->call, &session, after, &turn, &found);
    if (status != ST_OK)
        return status;
    api->handover.form = wanted_form(api->request);
    if (found && (turn.running || (after >= 0 && after < turn.id_base + turn.last_event_id)))
        return turns_watch(api, &turn, after);
    reply_empty(api->reply);
    return ST_OK;
}

/* The event as viewers get it, its id and turn in front of the rest of the object. */
static void write_event(struct api *api, const struct uuid *turn, const struct turn_row *row)
{
    const char *data = row->data + 1;
    if (!row->names_turn)
        data = arena_printf(api->call.arena, "\"turn_id\":\"%s\",%s", turn->text, data);
    const char *event = data ? arena_printf(api->call.arena, "{\"id\":%ld,%s", row->id, data) : NULL;
    json_write_raw(&api->reply->json, event);
    api->reply->body.failed |= !event;
}

/* The saved events of the same turn as JSON, at once: for those who cannot stream. */
enum status chat_events(struct api *api)
{
    struct uuid session;
    struct turn turn;
    struct turn_rows rows = {0};
    bool found = false;
    long after = turns_after(api);
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = turn_watched(&api->call, &session, after, &turn, &found);
    if (status == ST_OK && found)
        status = turn_events(&api->call, &turn, after, &rows);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    reply_header(api->reply, "Cache-Control", "no-store");
    json_begin_array(json);
    for (unsigned i = 0; i < rows.count; i++)
        write_event(api, &turn.id, &rows.row[i]);
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
    turns_hand_over(api, HANDOVER_STOP, &session, &turn);
    struct json_writer *json = reply_json(api->reply, 202);
    json_begin_object(json);
    json_put_text(json, "turn_id", turn.text);
    json_end_object(json);
    return ST_OK;
}
