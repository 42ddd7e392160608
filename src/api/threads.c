/*
 * Threads: the API of front ends that know sessions by names, in one thread a person or in many.
 *
 * What must stay true: whoever names a thread gets that one or 404; only who names none, where there are many, means
 * all of them.
 */
#include <string.h>

#include "api/cursor.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/turns.h"
#include "api/views.h"

/* Whether this site's front end knows one thread alone. Its web server may say so, else the configuration does. */
static bool is_single(const struct api *api)
{
    const char *said = request_param(api->request, "PARLEY_SINGLE_THREAD");
    return said ? strcmp(said, "on") == 0 : api->app->settings->single_thread;
}

static bool default_thread(struct api *api, struct thread_name *name)
{
    *name = (struct thread_name){.text = thread_name_of_user(api->call.arena, &api->call.user)};
    return name->text;
}

/* Goes on with a turn that a client lost sight of; in that thread alone, where one is named. */
static enum status resume(struct api *api, const struct thread_name *thread, const char *text, long after)
{
    struct uuid session;
    enum status status = thread ? thread_find(&api->call, thread, &session) : ST_OK;
    return status == ST_OK ? turns_resume(api, thread ? session.text : NULL, text, after) : status;
}

/* Sends a text: to the thread that the body names, else to the default thread or (fresh) to a new one. */
static enum status send(struct api *api, bool fresh)
{
    struct thread_name name;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    bool named = field_thread(api, &name);
    struct turn_new new_turn = {
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .text = turns_text_field(api),
    };
    long after = turns_after(api);
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    /* The default thread is in no project: who names one wants another thread. */
    fresh = !named && (fresh || new_turn.project_id);
    if (!named && !fresh && !default_thread(api, &name))
        return ST_UNAVAILABLE;
    if (after >= 0)
        return resume(api, fresh ? NULL : &name, new_turn.text, after);
    new_turn.created = fresh;
    if (fresh && !uuid_v7(&new_turn.session))
        return ST_UNAVAILABLE;
    return turns_begin(api, &new_turn, fresh ? NULL : &name);
}

enum status threads_send(struct api *api)
{
    const char *accept = request_header(api->request, "Accept");
    api->handover.form = accept && strstr(accept, "text/event-stream") ? VIEWER_FRAMES : VIEWER_REPLY;
    return send(api, false);
}

enum status threads_stream(struct api *api)
{
    api->handover.form = VIEWER_FRAMES;
    return send(api, !is_single(api));
}

static void view_history(struct json_writer *json, const struct thread_history *history)
{
    json_begin_object(json);
    json_put_text(json, "thread_id", history->name);
    json_put_int(json, "message_count", history->message_count);
    json_write_key(json, "messages");
    json_begin_array(json);
    for (unsigned i = 0; i < history->count; i++) {
        json_begin_object(json);
        json_put_text(json, "role", history->line[i].role);
        json_put_text(json, "content", history->line[i].content);
        json_put_text(json, "timestamp", history->line[i].created_at);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

/* Where older lines are; by the session's id, which can stand in any address. */
static void link_older(struct api *api, const struct thread_history *history, unsigned limit)
{
    if (!history->more)
        return;
    const char *link = arena_printf(api->call.arena, "</chat/history?thread_id=%s&limit=%u&before=%lld>; rel=\"prev\"",
                                    history->session.text, limit, (long long)history->line[0].seq);
    if (link)
        reply_header(api->reply, "Link", link);
}

enum status threads_history(struct api *api)
{
    struct thread_name name;
    struct thread_history history;
    unsigned limit = (unsigned)query_int(api, "limit", 1, THREAD_HISTORY_MAX, THREAD_HISTORY_MAX);
    long before = query_int(api, "before", 1, THREAD_SEQ_MAX, THREAD_SEQ_MAX);
    bool named = query_thread(api, &name);
    enum status status = fields_check(api);
    if (status == ST_OK && !named && !default_thread(api, &name))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = thread_history(&api->call, &name, before, limit, &history);
    if (status != ST_OK)
        return status;
    view_history(reply_json(api->reply, 200), &history);
    link_older(api, &history, limit);
    view_conditional(api);
    return ST_OK;
}

/* Which thread is to go, by its name in the query or in the body; *named: there is one. */
static enum status read_target(struct api *api, struct thread_name *name, bool *named)
{
    struct thread_name other;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    bool in_query = query_thread(api, name);
    bool in_body = field_thread(api, in_query ? &other : name);
    if (in_query && in_body && strcmp(name->text, other.text) != 0)
        (void)!fault_field(&api->call.fault, "thread_id", "contradicts another name of the same field");
    /* The list calls a thread's name `id`. Who sends that here means one thread, and must not lose all of them. */
    if (request_query(api->request, "id") || field_present(api, "id"))
        (void)!fault_field(&api->call.fault, "id", "is called thread_id here");
    *named = in_query || in_body;
    return fields_check(api);
}

enum status threads_clear(struct api *api)
{
    struct thread_name name;
    bool named;
    enum status status = read_target(api, &name, &named);
    if (status == ST_OK && !named && !default_thread(api, &name))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = named || is_single(api) ? thread_hide(&api->call, &name) : thread_hide_all(&api->call);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_object(json);
    json_put_bool(json, "success", true);
    json_put_text(json, "message", "Chat history cleared successfully");
    json_put_text(json, "thread_id", name.text);
    json_end_object(json);
    return ST_OK;
}

static void view_list(struct api *api, struct json_writer *json, const struct thread_list *list, const char *own)
{
    json_begin_object(json);
    json_write_key(json, "sessions");
    json_begin_array(json);
    for (unsigned i = 0; i < list->count; i++) {
        json_begin_object(json);
        json_put_text(json, "id", list->item[i].name);
        json_put_text(json, "title", list->item[i].title);
        json_put_text(json, "preview", list->item[i].preview);
        json_put_text(json, "timestamp", list->item[i].last_message_at);
        json_put_int(json, "message_count", list->item[i].message_count);
        json_end_object(json);
    }
    json_end_array(json);
    json_put_text(json, "user_id", api->call.user.text);
    json_put_text(json, "thread_id", own);
    json_put_int(json, "total_messages", list->messages);
    json_put_int(json, "total_tokens_used", list->tokens);
    json_put_text(json, "session_start", list->first_at);
    json_put_text(json, "last_activity", list->last_at);
    json_end_object(json);
}

enum status threads_list(struct api *api)
{
    unsigned limit = (unsigned)query_int(api, "limit", 1, THREAD_LIST_MAX, THREAD_LIST_MAX);
    struct thread_name own;
    struct thread_list list;
    struct cursor cursor;
    cursor_read(api, &cursor);
    enum status status = fields_check(api);
    if (status == ST_OK && !default_thread(api, &own))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = thread_list(&api->call, limit, cursor.time, cursor.id, is_single(api) ? own.text : NULL, &list);
    if (status != ST_OK)
        return status;
    view_list(api, reply_json(api->reply, 200), &list, own.text);
    if (list.more) {
        const struct thread_item *last = &list.item[list.count - 1];
        cursor_link(api, "/chat/sessions", limit, &(struct cursor){last->last_message_at, last->session.text}, "");
    }
    view_conditional(api);
    return ST_OK;
}
