/* What a person has used so far. */
#include "core/usage.h"

enum status usage_get(struct call *call, struct usage *usage)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_USAGE_GET, call->user.text);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return fault_set(&call->fault, ST_UNAUTHENTICATED, "user_gone", "This account does not exist any more.");
    *usage = (struct usage){
        .sessions = row_int(rows, 0, 0),
        .prompt_tokens = row_int(rows, 0, 1),
        .completion_tokens = row_int(rows, 0, 2),
        .total_tokens = row_int(rows, 0, 3),
        .since = row_time(rows, 0, 4),
        .updated_at = row_time(rows, 0, 5),
        .messages = row_int(rows, 0, 6),
        .tokens_estimated = row_bool(rows, 0, 7),
    };
    return ST_OK;
}
