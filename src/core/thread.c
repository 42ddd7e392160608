/* Threads: sessions by the names under which older front ends know them. */
#include "core/thread.h"

#include <string.h>

#include "base/json_writer.h"
#include "core/session.h"

#define HISTORY_BYTES (4 << 20)

static const char prefix[] = "thread-";

bool thread_name_read(struct arena *arena, const char *given, struct thread_name *name)
{
    size_t n = sizeof(prefix) - 1;
    struct uuid id;
    *name = (struct thread_name){.text = given};
    if (!uuid_parse(&id, strncmp(given, prefix, n) == 0 ? given + n : given))
        return true;
    name->id = arena_strdup(arena, id.text);
    name->text = thread_name_of_session(arena, &id);
    return name->id && name->text;
}

const char *thread_name_of_session(struct arena *arena, const struct uuid *session)
{
    return arena_printf(arena, "%s%s", prefix, session->text);
}

const char *thread_name_of_user(struct arena *arena, const struct uuid *user)
{
    return arena_printf(arena, "user-%s", user->text);
}

enum status thread_find(struct call *call, const struct thread_name *name, struct uuid *session)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_THREAD_FIND, call->user.text, name->id, name->text);
    enum status status = call_run_on(call);
    if (status == ST_OK && !row_uuid(rows, 0, 0, session))
        return fault_set(&call->fault, ST_NOT_FOUND, "thread_not_found", "No such thread.");
    return status;
}

enum status thread_open(struct call *call, const struct thread_name *name, struct thread *thread)
{
    const struct settings *settings = call->settings;
    struct uuid fresh;
    if (!uuid_v7(&fresh))
        return ST_UNAVAILABLE;
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_THREAD_OPEN, call->user.text, name->id, name->text, fresh.text,
               db_int(call->arena, settings->quota_sessions_per_minute), db_int(call->arena, settings->quota_sessions));
    enum status status = call_run_on(call);
    if (status != ST_OK)
        return status;
    if (!row_uuid(rows, 0, 0, &thread->session))
        return ST_INTERNAL;
    thread->name = row_text(rows, 0, 1);
    thread->created = row_bool(rows, 0, 2);
    return ST_OK;
}

/* --- what was said --- */

/* How many of the rows an answer of HISTORY_BYTES holds: what has to be escaped is longer there than in the database.
 */
static unsigned fit(const struct db_rows *rows)
{
    size_t bytes = 0;
    unsigned count = 0;
    while (count < rows->count) {
        bytes += json_escaped_length(row_text(rows, count, 2), row_length(rows, count, 2)) + 64;
        if (count && bytes > HISTORY_BYTES)
            break;
        count++;
    }
    return count;
}

/* The rows come newest first. */
static enum status read_lines(struct call *call, const struct db_rows *rows, struct thread_history *history)
{
    history->count = fit(rows);
    history->more = rows->count && row_int(rows, 0, 4) > history->count;
    history->line = arena_alloc(call->arena, history->count * sizeof(*history->line));
    if (!history->line)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < history->count; i++)
        history->line[history->count - 1 - i] = (struct thread_line){
            .seq = row_int(rows, i, 0),
            .role = row_text(rows, i, 1),
            .content = row_text(rows, i, 2),
            .created_at = row_time(rows, i, 3),
        };
    return ST_OK;
}

enum status thread_history(struct call *call, const struct thread_name *name, long before, unsigned limit,
                           struct thread_history *history)
{
    const char *user = call->user.text, *own = thread_name_of_user(call->arena, &call->user);
    db_add(&call->tx, QUERY_TURN_SETTLE_ALL, user);
    const struct db_rows *found = db_add(&call->tx, QUERY_THREAD_GET, user, name->id, name->text);
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_THREAD_HISTORY, user, name->id, name->text, db_int(call->arena, before),
               db_int(call->arena, limit), db_int(call->arena, HISTORY_BYTES));
    enum status status = own ? call_run(call) : ST_UNAVAILABLE;
    if (status != ST_OK)
        return status;
    if (found->count == 0 && strcmp(name->text, own) != 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "thread_not_found", "No such thread.");
    *history = (struct thread_history){
        .name = found->count ? row_text(found, 0, 1) : own,
        .message_count = found->count ? row_int(found, 0, 2) : 0,
    };
    if (found->count && !row_uuid(found, 0, 0, &history->session))
        return ST_INTERNAL;
    return read_lines(call, rows, history);
}

static void from_row(const struct db_rows *rows, unsigned row, struct thread_item *item)
{
    *item = (struct thread_item){
        .name = row_text(rows, row, 1),
        .title = row_text(rows, row, 2),
        .preview = row_text(rows, row, 3),
        .message_count = row_int(rows, row, 4),
        .last_message_at = row_time(rows, row, 5),
    };
    (void)row_uuid(rows, row, 0, &item->session);
}

enum status thread_list(struct call *call, unsigned limit, const char *after_time, const char *after_id,
                        const char *counted, struct thread_list *list)
{
    /* One row more than asked for tells whether there is a next page. */
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_THREAD_LIST, call->user.text, db_int(call->arena, (int64_t)limit + 1),
               after_time ? after_time : SESSION_FIRST_TIME, after_time ? after_id : SESSION_FIRST_ID);
    const struct db_rows *totals = db_add(&call->tx, QUERY_THREAD_TOTALS, call->user.text, counted);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    *list = (struct thread_list){
        .count = rows->count > limit ? limit : rows->count,
        .more = rows->count > limit,
        .messages = row_int(totals, 0, 0),
        .first_at = row_time(totals, 0, 1),
        .last_at = row_time(totals, 0, 2),
        .tokens = row_int(totals, 0, 3),
    };
    list->item = arena_alloc(call->arena, list->count * sizeof(*list->item));
    if (!list->item)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < list->count; i++)
        from_row(rows, i, &list->item[i]);
    return ST_OK;
}

/* --- hiding --- */

enum status thread_hide(struct call *call, const struct thread_name *name)
{
    db_add(&call->tx, QUERY_THREAD_HIDE, call->user.text, name->id, name->text,
           db_int(call->arena, call->settings->restore_days));
    return call_run(call);
}

enum status thread_hide_all(struct call *call)
{
    db_add(&call->tx, QUERY_THREAD_HIDE_ALL, call->user.text, db_int(call->arena, call->settings->restore_days));
    return call_run(call);
}
