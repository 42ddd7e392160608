/* Threads: sessions by the names under which older front ends know them. */
#include "core/thread.h"

#include <string.h>

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

/* Runs what was queued and leaves the transaction open; how it is to end stays as it was. */
static enum status run_on(struct call *call)
{
    enum db_end end = call->end;
    call->end = DB_HOLD;
    enum status status = call_run(call);
    call->end = end;
    return status;
}

enum status thread_find(struct call *call, const struct thread_name *name, struct uuid *session)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_THREAD_FIND, call->user.text, name->id, name->text);
    enum status status = run_on(call);
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
    enum status status = run_on(call);
    if (status != ST_OK)
        return status;
    if (!row_uuid(rows, 0, 0, &thread->session))
        return ST_INTERNAL;
    thread->name = row_text(rows, 0, 1);
    thread->created = row_bool(rows, 0, 2);
    return ST_OK;
}
