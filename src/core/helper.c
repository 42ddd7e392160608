/* Helpers: named assistants, the same for everybody. */
#include "core/helper.h"

enum status helper_list(struct call *call, struct helper_list *list)
{
    const struct db_rows *rows = db_add_params(&call->tx, QUERY_HELPER_LIST, NULL, 0);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    list->count = rows->count;
    list->helper = arena_alloc(call->arena, rows->count * sizeof(*list->helper));
    if (!list->helper)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < rows->count; i++)
        list->helper[i] = (struct helper){
            .name = row_text(rows, i, 0),
            .display_name = row_text(rows, i, 1),
            .model = row_text(rows, i, 2),
            .greeting = row_text(rows, i, 3),
        };
    return ST_OK;
}
