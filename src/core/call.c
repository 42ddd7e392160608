/* A call: who asks, and the one transaction that is done on their behalf. */
#include "core/call.h"

#include <string.h>

void call_init(struct call *call, struct arena *arena, struct db *db, const struct settings *settings)
{
    memset(call, 0, sizeof(*call));
    call->arena = arena;
    call->db = db;
    call->settings = settings;
    call->end = DB_COMMIT;
    db_tx_init(&call->tx, arena);
}

void call_set_user(struct call *call, const struct uuid *user)
{
    call->user = *user;
    db_tx_claim(&call->tx, DB_CLAIM_USER, call->user.text);
}

enum status call_run(struct call *call)
{
    enum status status = db_run(call->db, &call->tx, call->end, &call->fault);
    if (status == ST_OK && call->end == DB_COMMIT && call->report) {
        call->reported = row_int(call->report, 0, 0);
        call->report = NULL;
    }
    return status;
}

enum status call_run_on(struct call *call)
{
    enum db_end end = call->end;
    call->end = DB_HOLD;
    enum status status = call_run(call);
    call->end = end;
    return status;
}

void call_next(struct call *call)
{
    db_tx_init(&call->tx, call->arena);
    call->report = NULL;
    if (call->user.text[0])
        db_tx_claim(&call->tx, DB_CLAIM_USER, call->user.text);
}
