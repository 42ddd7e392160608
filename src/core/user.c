/* People: signing up, what they call themselves, leaving. */
#include "core/user.h"

/* The five columns of every query that answers a person. */
static void from_row(const struct db_rows *rows, struct user *user)
{
    *user = (struct user){
        .display_name = row_text(rows, 0, 1),
        .avatar_url = row_text(rows, 0, 2),
        .created_at = row_time(rows, 0, 3),
        .updated_at = row_time(rows, 0, 4),
    };
    (void)row_uuid(rows, 0, 0, &user->id);
}

static enum status gone(struct call *call)
{
    return fault_set(&call->fault, ST_UNAUTHENTICATED, "user_gone", "This account does not exist any more.");
}

const struct db_rows *user_queue_create(struct call *call, const struct user_new *new_user)
{
    return db_add(&call->tx, QUERY_USER_CREATE, call->user.text, new_user->email, new_user->password_hash,
                  new_user->display_name, new_user->avatar_url);
}

void user_created(const struct db_rows *rows, const char *email, struct user *user)
{
    from_row(rows, user);
    user->email = email;
}

static enum status run_for_user(struct call *call, const struct db_rows *rows, struct user *user)
{
    const struct db_rows *login = db_add(&call->tx, QUERY_USER_EMAIL, call->user.text);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return gone(call);
    from_row(rows, user);
    user->email = login->count ? row_text(login, 0, 0) : NULL;
    return ST_OK;
}

enum status user_get(struct call *call, struct user *user)
{
    return run_for_user(call, db_add(&call->tx, QUERY_USER_GET, call->user.text), user);
}

enum status user_update(struct call *call, const struct user_change *change, struct user *user)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_USER_UPDATE, call->user.text, db_bool(change->set_display_name), change->display_name,
               db_bool(change->set_avatar_url), change->avatar_url);
    return run_for_user(call, rows, user);
}

enum status user_delete(struct call *call)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_USER_DELETE, call->user.text);
    enum status status = call_run(call);
    if (status == ST_OK && (rows->count == 0 || row_int(rows, 0, 0) == 0))
        return gone(call);
    return status;
}
