/* Chat sessions of the caller. */
#include <string.h>

#include "api/cursor.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"

#define LIST_DEFAULT 20

static enum status reply_session(struct api *api, enum status status, unsigned code, const struct session *session)
{
    if (status == ST_OK)
        view_session(reply_json(api->reply, code), session);
    return status;
}

static void write_next(struct api *api, const struct session_filter *filter, const struct session *last)
{
    struct buf filters;
    buf_init(&filters, api->call.arena);
    if (filter->project_id)
        buf_printf(&filters, "&project_id=%s", filter->project_id);
    if (filter->helper)
        buf_printf(&filters, "&helper=%s", filter->helper);
    if (filter->is_active)
        buf_printf(&filters, "&active=%s", filter->is_active);
    if (buf_text(&filters))
        cursor_link(api, "/api/v1/sessions", filter->limit, &(struct cursor){last->last_message_at, last->id.text},
                    buf_text(&filters));
}

enum status sessions_list(struct api *api)
{
    struct session_filter filter = {
        .limit = (unsigned)query_int(api, "limit", 1, SESSION_LIST_MAX, LIST_DEFAULT),
        .project_id = query_uuid(api, "project_id"),
        .helper = query_name(api, "helper"),
        .is_active = query_bool(api, "active"),
    };
    struct cursor cursor;
    cursor_read(api, &cursor);
    filter.after_time = cursor.time;
    filter.after_id = cursor.id;
    enum status status = fields_check(api);
    struct session_list list;
    if (status == ST_OK)
        status = session_list(&api->call, &filter, &list);
    if (status != ST_OK)
        return status;

    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < list.count; i++)
        view_session(json, &list.session[i]);
    json_end_array(json);
    if (list.more)
        write_next(api, &filter, &list.session[list.count - 1]);
    view_conditional(api);
    return ST_OK;
}

enum status sessions_create(struct api *api)
{
    struct session_new new_session;
    struct session session;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    new_session = (struct session_new){
        .title = field_line(api, "title", FIELD_NOT_EMPTY, SESSION_TITLE_MAX),
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .helper = field_name(api, "helper"),
    };
    status = fields_check(api);
    if (status == ST_OK && !uuid_v7(&new_session.id))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = session_create(&api->call, &new_session, &session);
    if (status != ST_OK)
        return status;
    char *location = arena_printf(api->call.arena, "/api/v1/sessions/%s", session.id.text);
    if (!location)
        return ST_UNAVAILABLE;
    reply_header(api->reply, "Location", location);
    return reply_session(api, ST_OK, 201, &session);
}

enum status sessions_get(struct api *api)
{
    struct uuid id;
    struct session session;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = session_get(&api->call, &id, &session);
    return reply_session(api, status, 200, &session);
}

enum status sessions_update(struct api *api)
{
    struct uuid id;
    struct session session;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct session_change change = {
        .set_title = field_present(api, "title"),
        .title = field_line(api, "title", FIELD_NOT_EMPTY, SESSION_TITLE_MAX),
        .is_active = field_bool(api, "is_active"),
        .set_project = field_present(api, "project_id"),
        .project_id = field_uuid(api, "project_id", FIELD_OPTIONAL),
        .set_helper = field_present(api, "helper"),
        .helper = field_name(api, "helper"),
    };
    status = fields_check(api);
    if (status == ST_OK)
        status = session_update(&api->call, &id, &change, &session);
    return reply_session(api, status, 200, &session);
}

enum status sessions_rename(struct api *api)
{
    struct uuid id;
    struct session session;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct session_change change = {
        .set_title = true,
        .title = field_line(api, "title", FIELD_REQUIRED, SESSION_TITLE_MAX),
    };
    status = fields_check(api);
    if (status == ST_OK)
        status = session_update(&api->call, &id, &change, &session);
    return reply_session(api, status, 200, &session);
}

enum status sessions_delete(struct api *api)
{
    struct uuid id;
    const char *purge = query_bool(api, "purge");
    enum status status = fields_check(api);
    if (status == ST_OK)
        status = path_uuid(api, 0, &id);
    if (status != ST_OK)
        return status;
    bool for_good = purge && strcmp(purge, "true") == 0;
    status = for_good ? session_remove(&api->call, &id) : session_hide(&api->call, &id);
    if (status == ST_OK)
        reply_empty(api->reply);
    return status;
}

enum status sessions_restore(struct api *api)
{
    struct uuid id;
    struct session session;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = session_restore(&api->call, &id, &session);
    return reply_session(api, status, 200, &session);
}

enum status sessions_activate(struct api *api)
{
    struct uuid id, message;
    struct session session;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *wanted = field_uuid(api, "message_id", FIELD_REQUIRED);
    status = fields_check(api);
    if (status == ST_OK && !uuid_parse(&message, wanted))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = session_activate(&api->call, &id, &message, &session);
    return reply_session(api, status, 200, &session);
}
