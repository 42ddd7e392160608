/*
 * Whole sessions over HTTP: a client keeps the messages itself, saves all of them at once and lists them with the
 * sessions.
 *
 * What must stay true: a save adds to what is stored, or stores nothing; it never takes a message away.
 */
#include <string.h>

#include "api/cursor.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"
#include "core/transcript.h"

#define LIST_BYTES (4 * 1048576)

/* Notes what is wrong with a message: member is "" or begins with a dot. */
static void wrong(struct api *api, size_t i, const char *member, const char *message)
{
    const char *field = arena_printf(api->call.arena, "messages[%zu]%s", i, member);
    (void)!fault_field(&api->call.fault, field ? field : "messages", message);
}

/* The text of role or content; NULL, and noted, when it is none. */
static const char *member_text(struct api *api, const struct json *message, size_t i, const char *member)
{
    const struct json *value = json_member(message, member + 1);
    if (value && json_type(value) == JSON_STRING)
        return json_string(value, NULL);
    wrong(api, i, member, value ? "must be a string" : "is required");
    return NULL;
}

/* Writes one message as it is to be stored. Content may be empty: of an answer that never came, a call of a tool. */
static void write_message(struct api *api, struct json_writer *json, const struct json *message, size_t i)
{
    if (json_type(message) != JSON_OBJECT) {
        wrong(api, i, "", "must be an object");
        return;
    }
    const char *role = member_text(api, message, i, ".role");
    const char *content = member_text(api, message, i, ".content");
    if (role && !message_role_is_known(role))
        wrong(api, i, ".role", VIEW_ROLES);
    if (content && strlen(content) > (size_t)api->app->settings->max_message_bytes)
        wrong(api, i, ".content", "is too long");
    json_begin_object(json);
    json_put_text(json, "role", role);
    json_put_text(json, "content", content);
    json_end_object(json);
}

/* All messages as they are to be stored, each one checked. */
static void messages_field(struct api *api, struct transcript_new *new_transcript)
{
    const struct json *messages = field_array(api, "messages", TRANSCRIPT_MESSAGES_MAX);
    struct buf out;
    struct json_writer json;
    buf_init(&out, api->call.arena);
    json_writer_init(&json, &out);
    new_transcript->count = messages && api->call.fault.fields == 0 ? json_size(messages) : 0;
    json_begin_array(&json);
    for (size_t i = 0; i < new_transcript->count; i++)
        write_message(api, &json, json_element(messages, i), i);
    json_end_array(&json);
    new_transcript->messages = buf_text(&out);
}

static void view_transcript(struct api *api, struct json_writer *json, const struct transcript *transcript)
{
    json_begin_object(json);
    json_put_text(json, "session_id", transcript->session.text);
    json_put_text(json, "user_id", api->call.user.text);
    json_put_raw(json, "messages", transcript->messages);
    if (transcript->omitted)
        json_put_int(json, "messages_omitted", transcript->omitted);
    json_put_text(json, "created_at", transcript->created_at);
    json_put_text(json, "updated_at", transcript->updated_at);
    json_end_object(json);
}

enum status saves_save(struct api *api)
{
    struct transcript_new new_transcript = {0};
    struct transcript transcript;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *session_id = field_uuid(api, "session_id", FIELD_OPTIONAL);
    messages_field(api, &new_transcript);
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    new_transcript.named = session_id;
    struct uuid *id = &new_transcript.session;
    if (!new_transcript.messages || !(session_id ? uuid_parse(id, session_id) : uuid_v7(id)))
        return ST_UNAVAILABLE;
    status = transcript_save(&api->call, &new_transcript, &transcript);
    if (status != ST_OK)
        return status;
    bool created = !session_id && strcmp(transcript.session.text, id->text) == 0;
    char *location = arena_printf(api->call.arena, "/api/v1/sessions/%s", id->text);
    if (created && location)
        reply_header(api->reply, "Location", location);
    view_transcript(api, reply_json(api->reply, created ? 201 : 200), &transcript);
    return ST_OK;
}

enum status saves_list(struct api *api)
{
    /* What was saved in one request can be listed in one answer, with the blanks that PostgreSQL writes. */
    size_t bytes = 2 * (size_t)api->app->settings->max_body_bytes;
    unsigned limit = (unsigned)query_int(api, "limit", 1, TRANSCRIPT_LIST_MAX, TRANSCRIPT_LIST_MAX);
    struct cursor cursor;
    struct transcript_page page;
    cursor_read(api, &cursor);
    enum status status = fields_check(api);
    if (status == ST_OK)
        status =
            transcript_list(&api->call, limit, bytes > LIST_BYTES ? bytes : LIST_BYTES, cursor.time, cursor.id, &page);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < page.count; i++)
        view_transcript(api, json, &page.transcript[i]);
    json_end_array(json);
    if (page.more) {
        const struct transcript *last = &page.transcript[page.count - 1];
        cursor_link(api, "/api/v1/chat/sessions", limit, &(struct cursor){last->last_message_at, last->session.text},
                    "");
    }
    view_conditional(api);
    return ST_OK;
}
