/* Idempotency keys: a request that is sent twice is done once and answered twice. */
#include "core/idempotency.h"

void idempotency_queue_begin(struct call *call, const char *key, const char *request_hash)
{
    db_add(&call->tx, QUERY_IDEMPOTENCY_BEGIN, call->user.text, key, request_hash,
           db_int(call->arena, call->settings->idempotency_hours));
    call->end = DB_HOLD;
}

enum status idempotency_finish(struct call *call, const char *key, const struct idempotency_answer *answer)
{
    db_add(&call->tx, QUERY_IDEMPOTENCY_STORE, call->user.text, key, db_int(call->arena, answer->status),
           answer->location, answer->body);
    call->end = DB_COMMIT;
    return call_run(call);
}

enum status idempotency_replay(struct call *call, const char *key, struct idempotency_answer *answer)
{
    call_next(call);
    call->end = DB_COMMIT;
    const struct db_rows *rows = db_add(&call->tx, QUERY_IDEMPOTENCY_REPLAY, call->user.text, key);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0 || row_is_null(rows, 0, 0))
        return fault_set(&call->fault, ST_UNAVAILABLE, "idempotency_lost", "The earlier answer is not there any more.");
    *answer = (struct idempotency_answer){
        .status = (unsigned)row_int(rows, 0, 0),
        .location = row_text(rows, 0, 1),
        .body = row_text(rows, 0, 2),
    };
    return ST_OK;
}
