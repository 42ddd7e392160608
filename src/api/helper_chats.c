/*
 * Sessions of helpers, for front ends that name things in two spellings and save both sides of an exchange themselves.
 *
 * What must stay true: whatever such a front end sends twice, or saves beside what a turn stores, is there once.
 */
#include <string.h>

#include "api/cursor.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/turns.h"
#include "api/views.h"
#include "core/copy.h"

#define PATH       "/api/chat/sessions"
#define LIST_BYTES (4U << 20)

/* A value under both of its names. */
static void put_both(struct json_writer *json, const char *snake, const char *camel, const char *text)
{
    json_put_text(json, snake, text);
    json_put_text(json, camel, text);
}

/* helper is what the request calls it, which its front end compares with; NULL: it names none. */
static void view_chat(struct api *api, struct json_writer *json, const struct session *session, const char *helper)
{
    const char *thread = session->thread_name;
    if (!thread)
        thread = thread_name_of_session(api->call.arena, &session->id);
    json_begin_object(json);
    json_put_text(json, "id", session->id.text);
    put_both(json, "user_id", "userId", api->call.user.text);
    put_both(json, "project_id", "projectId", session->project_id);
    json_put_text(json, "helper", helper ? helper : session->helper);
    json_put_text(json, "title", session->title);
    json_put_text(json, "preview", session->preview);
    put_both(json, "thread_id", "threadId", thread);
    json_put_int(json, "message_count", session->message_count);
    json_put_int(json, "messageCount", session->message_count);
    json_put_bool(json, "is_active", session->is_active);
    json_put_bool(json, "isActive", session->is_active);
    put_both(json, "created_at", "createdAt", session->created_at);
    put_both(json, "updated_at", "updatedAt", session->updated_at);
    put_both(json, "last_message_at", "lastMessageAt", session->last_message_at);
    json_end_object(json);
}

static void view_line(struct json_writer *json, const char *session, const struct message *message)
{
    json_begin_object(json);
    json_put_text(json, "id", message->id.text);
    put_both(json, "session_id", "sessionId", session);
    json_put_text(json, "role", message->role);
    json_write_key(json, "content");
    json_write_string(json, message->content, message->content_len);
    json_put_raw(json, "tool_calls", message->tool_calls);
    json_put_raw(json, "toolCalls", message->tool_calls);
    json_put_raw(json, "metadata", message->metadata);
    json_put_text(json, "status", message->status);
    put_both(json, "created_at", "createdAt", message->created_at);
    json_end_object(json);
}

/* A value of a query. */
static void add_encoded(struct buf *out, const char *text)
{
    for (; *text; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '-' || *text == '_';
        buf_printf(out, plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
}

static void write_next(struct api *api, const struct session_filter *filter, const char *helper,
                       const struct session *last)
{
    struct buf filters;
    buf_init(&filters, api->call.arena);
    if (helper) {
        buf_add_text(&filters, "&helper=");
        add_encoded(&filters, helper);
    }
    if (filter->project_id)
        buf_printf(&filters, "&projectId=%s", filter->project_id);
    if (buf_text(&filters))
        cursor_link(api, PATH, filter->limit, &(struct cursor){last->last_message_at, last->id.text},
                    buf_text(&filters));
}

/* Answers how many of them found room. */
static unsigned view_list(struct api *api, const struct session_list *list, const char *helper)
{
    struct json_writer *json = reply_json(api->reply, 200);
    unsigned shown = 0;
    json_begin_object(json);
    json_write_key(json, "sessions");
    json_begin_array(json);
    while (shown < list->count && json->out->len < LIST_BYTES)
        view_chat(api, json, &list->session[shown++], helper);
    json_end_array(json);
    json_end_object(json);
    return shown;
}

enum status helper_chats_list(struct api *api)
{
    const char *helper;
    struct session_filter filter = {
        .limit = (unsigned)query_int(api, "limit", 1, SESSION_ALL_MAX, SESSION_ALL_MAX),
        .project_id = query_given(api, "project_id") ? query_uuid(api, "project_id") : NULL,
        .helper = query_helper(api, "helper", &helper),
    };
    struct cursor cursor;
    cursor_read(api, &cursor);
    filter.after_time = cursor.time;
    filter.after_id = cursor.id;
    struct session_list list;
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = session_list(&api->call, &filter, &list);
    if (status != ST_OK)
        return status;
    unsigned shown = view_list(api, &list, helper);
    if (list.more || shown < list.count)
        write_next(api, &filter, helper, &list.session[shown - 1]);
    view_conditional(api);
    return ST_OK;
}

enum status helper_chats_create(struct api *api)
{
    const char *helper;
    struct session session;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct session_new new_session = {
        .title = field_line(api, "title", FIELD_OPTIONAL, SESSION_TITLE_MAX),
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .helper = field_helper(api, "helper", &helper),
    };
    if (new_session.title && !new_session.title[0])
        new_session.title = NULL;
    status = fields_check(api);
    if (status == ST_OK && !uuid_v7(&new_session.id))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = session_create(&api->call, &new_session, &session);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 201);
    json_begin_object(json);
    json_write_key(json, "session");
    view_chat(api, json, &session, helper);
    json_end_object(json);
    return ST_OK;
}

/* The id that a thread's name holds; NULL, and noted, when it holds none. */
static const char *id_of(struct api *api, const struct thread_name *name)
{
    if (!name->id)
        (void)!fault_field(&api->call.fault, "id", "must be a UUID");
    return name->id;
}

/* Which session is to go: ?id= or ?sessionId=, or either of them in the body; threadId says it too. */
static enum status read_target(struct api *api, struct uuid *session)
{
    struct thread_name in_query, in_body;
    const char *const given[] = {
        query_uuid(api, "id"),
        query_thread(api, &in_query) ? id_of(api, &in_query) : NULL,
        field_uuid(api, "id", FIELD_OPTIONAL),
        field_thread(api, &in_body) ? id_of(api, &in_body) : NULL,
    };
    const char *id = NULL;
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (id && given[i] && strcmp(id, given[i]) != 0)
            (void)!fault_field(&api->call.fault, "id", "contradicts another name of the same field");
        id = id ? id : given[i];
    }
    if (!id)
        (void)!fault_field(&api->call.fault, "id", "is required");
    enum status status = fields_check(api);
    return status == ST_OK && !uuid_parse(session, id) ? ST_UNAVAILABLE : status;
}

enum status helper_chats_delete(struct api *api)
{
    struct uuid session;
    enum status status = fields_body(api);
    if (status == ST_OK)
        status = read_target(api, &session);
    if (status == ST_OK)
        status = session_hide(&api->call, &session);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_object(json);
    json_put_bool(json, "success", true);
    json_end_object(json);
    return ST_OK;
}

enum status helper_chats_messages(struct api *api)
{
    struct uuid session;
    struct message_page page;
    struct message_range range = {MESSAGE_LAST, MESSAGE_HISTORY_MAX, 0, MESSAGE_HISTORY_BYTES};
    long before = query_int(api, "before", 0, 2147483647, -1);
    range.limit = (unsigned)query_int(api, "limit", 1, MESSAGE_HISTORY_MAX, MESSAGE_HISTORY_MAX);
    if (before >= 0)
        range = (struct message_range){MESSAGE_BEFORE, range.limit, before, MESSAGE_HISTORY_BYTES};
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = message_page(&api->call, &session, &range, &page);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_object(json);
    json_write_key(json, "messages");
    json_begin_array(json);
    for (unsigned i = 0; i < page.count; i++)
        view_line(json, session.text, &page.message[i]);
    json_end_array(json);
    json_end_object(json);
    char *link = page.more ? arena_printf(api->call.arena, "<" PATH "/%s/messages?limit=%u&before=%lld>; rel=\"prev\"",
                                          session.text, range.limit, (long long)page.message[0].seq)
                           : NULL;
    if (link)
        reply_header(api->reply, "Link", link);
    return ST_OK;
}

enum status helper_chats_save(struct api *api)
{
    struct uuid session;
    struct message message;
    bool stored = false;
    enum status status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct message_new new_message = view_message_fields(api);
    bool keyed = request_header(api->request, "Idempotency-Key") != NULL;
    status = fields_check(api);
    if (status == ST_OK && !uuid_v7(&new_message.id))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = copy_save(&api->call, &session, &new_message, keyed, &message, &stored);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, stored ? 201 : 200);
    json_begin_object(json);
    json_write_key(json, "message");
    view_line(json, session.text, &message);
    json_end_object(json);
    return ST_OK;
}

enum status helper_chats_send(struct api *api)
{
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *helper;
    struct thread_name thread;
    bool named = field_thread(api, &thread);
    struct turn_new new_turn = {
        .created = !named,
        .copied = true,
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .helper = field_helper(api, "helper", &helper),
        .text = turns_text_field(api),
    };
    status = fields_check(api);
    if (status == ST_OK && !named && !uuid_v7(&new_turn.session))
        status = ST_UNAVAILABLE;
    if (status != ST_OK)
        return status;
    api->handover.form = turns_wants_json(api->request) ? VIEWER_REPLY : VIEWER_FRAMES;
    api->handover.thread_twice = true;
    return turns_begin(api, &new_turn, named ? &thread : NULL);
}
