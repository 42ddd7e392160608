/* The login of an e-mail address: found by address, counted, changed. */
#include "core/login.h"

enum status login_begin(struct call *call, const char *email, int attempts, struct login *login)
{
    call_next(call);
    db_tx_claim(&call->tx, DB_CLAIM_EMAIL, email);
    const struct db_rows *rows = db_add(&call->tx, QUERY_LOGIN_BEGIN, email, db_int(call->arena, attempts),
                                        db_int(call->arena, LOGIN_WINDOW_SECONDS));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    login->password_hash = NULL;
    if (rows->count && row_uuid(rows, 0, 0, &login->user))
        login->password_hash = row_text(rows, 0, 1);
    return ST_OK;
}

enum status login_find(struct call *call, const char *email, struct uuid *user)
{
    call_next(call);
    db_tx_claim(&call->tx, DB_CLAIM_EMAIL, email);
    const struct db_rows *rows = db_add(&call->tx, QUERY_LOGIN_FIND, email);
    enum status status = call_run(call);
    if (status == ST_OK && (rows->count == 0 || !row_uuid(rows, 0, 0, user)))
        return fault_set(&call->fault, ST_NOT_FOUND, "user_not_found", "Nobody has this address.");
    return status;
}

/* Runs a query that changes an address' count. */
static enum status run_for_address(struct call *call, enum query query, const char *email)
{
    call_next(call);
    db_tx_claim(&call->tx, DB_CLAIM_EMAIL, email);
    db_add(&call->tx, query, email);
    return call_run(call);
}

enum status login_untried(struct call *call, const char *email)
{
    return run_for_address(call, QUERY_LOGIN_UNTRIED, email);
}

enum status login_succeeded(struct call *call, const char *email)
{
    return run_for_address(call, QUERY_LOGIN_SUCCEEDED, email);
}

enum status login_address(struct call *call, const char **email)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_USER_EMAIL, call->user.text);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return fault_set(&call->fault, ST_UNAUTHENTICATED, "user_gone", "This account does not exist any more.");
    *email = row_text(rows, 0, 0);
    return ST_OK;
}

void login_queue_hold(struct call *call, const struct login *login)
{
    db_add(&call->tx, QUERY_LOGIN_HOLD, login->user.text, login->password_hash);
}

void login_queue_password(struct call *call, const char *password_hash)
{
    db_add(&call->tx, QUERY_USER_SET_PASSWORD, call->user.text, password_hash);
    db_add(&call->tx, QUERY_REFRESH_REVOKE_ALL, call->user.text);
}

enum status login_end_all(struct call *call)
{
    db_add(&call->tx, QUERY_REFRESH_REVOKE_ALL, call->user.text);
    return call_run(call);
}
