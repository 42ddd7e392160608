/* Chat sessions: listed, made, changed, hidden, restored, removed. */
#include "core/session.h"

/* The fourteen columns of every query in sql/queries/session.sql. */
static void from_row(const struct db_rows *rows, unsigned row, struct session *session)
{
    *session = (struct session){
        .title = row_text(rows, row, 1),
        .preview = row_text(rows, row, 2),
        .message_count = row_int(rows, row, 3),
        .is_active = row_bool(rows, row, 4),
        .helper = row_text(rows, row, 5),
        .project_id = row_text(rows, row, 6),
        .created_at = row_time(rows, row, 7),
        .updated_at = row_time(rows, row, 8),
        .last_message_at = row_time(rows, row, 9),
        .prompt_tokens = row_int(rows, row, 10),
        .completion_tokens = row_int(rows, row, 11),
        .thread_name = row_text(rows, row, 12),
        .tokens_estimated = row_bool(rows, row, 13),
    };
    (void)row_uuid(rows, row, 0, &session->id);
}

/* Runs the call and reads the one session that rows must hold. */
static enum status run_for_one(struct call *call, const struct db_rows *rows, struct session *session)
{
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "session_not_found", "No such session.");
    from_row(rows, 0, session);
    return ST_OK;
}

static const struct db_rows *queue_list(struct call *call, const struct session_filter *filter)
{
    /* One row more than asked for tells whether there is a next page. */
    const char *limit = db_int(call->arena, (int64_t)filter->limit + 1);
    const char *time = filter->after_time ? filter->after_time : SESSION_FIRST_TIME;
    const char *id = filter->after_time ? filter->after_id : SESSION_FIRST_ID;
    if (!filter->project_id && !filter->helper && !filter->is_active)
        return db_add(&call->tx, QUERY_SESSION_LIST, call->user.text, limit, time, id);
    return db_add(&call->tx, QUERY_SESSION_LIST_FILTERED, call->user.text, limit, time, id, filter->project_id,
                  filter->helper, filter->is_active);
}

enum status session_list(struct call *call, const struct session_filter *filter, struct session_list *list)
{
    const struct db_rows *rows = queue_list(call, filter);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    list->more = rows->count > filter->limit;
    list->count = list->more ? filter->limit : rows->count;
    list->session = arena_alloc(call->arena, list->count * sizeof(*list->session));
    if (!list->session)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < list->count; i++)
        from_row(rows, i, &list->session[i]);
    return ST_OK;
}

enum status session_create(struct call *call, const struct session_new *new_session, struct session *session)
{
    const struct settings *settings = call->settings;
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_SESSION_CREATE, call->user.text, new_session->id.text, new_session->title,
               new_session->project_id, new_session->helper, db_int(call->arena, settings->quota_sessions_per_minute),
               db_int(call->arena, settings->quota_sessions));
    return run_for_one(call, rows, session);
}

enum status session_get(struct call *call, const struct uuid *id, struct session *session)
{
    return run_for_one(call, db_add(&call->tx, QUERY_SESSION_GET, call->user.text, id->text), session);
}

enum status session_update(struct call *call, const struct uuid *id, const struct session_change *change,
                           struct session *session)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_SESSION_UPDATE, call->user.text, id->text, db_bool(change->set_title), change->title,
               change->is_active, db_bool(change->set_project), change->project_id, db_bool(change->set_helper),
               change->helper);
    return run_for_one(call, rows, session);
}

enum status session_hide(struct call *call, const struct uuid *id)
{
    db_add(&call->tx, QUERY_SESSION_HIDE, call->user.text, id->text, db_int(call->arena, call->settings->restore_days));
    return call_run(call);
}

enum status session_remove(struct call *call, const struct uuid *id)
{
    db_add(&call->tx, QUERY_SESSION_REMOVE, call->user.text, id->text);
    return call_run(call);
}

enum status session_restore(struct call *call, const struct uuid *id, struct session *session)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_SESSION_RESTORE, call->user.text, id->text,
                                        db_int(call->arena, call->settings->quota_sessions));
    return run_for_one(call, rows, session);
}

enum status session_activate(struct call *call, const struct uuid *id, const struct uuid *message,
                             struct session *session)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_SESSION_ACTIVATE, call->user.text, id->text, message->text);
    return run_for_one(call, rows, session);
}
