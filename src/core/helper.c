/* Helpers: named assistants, the same for everybody. */
#include "core/helper.h"

#include <string.h>

#include "base/pattern.h"

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

enum status helper_set(struct call *call, const struct helper_change *change)
{
    db_add(&call->tx, QUERY_HELPER_SET, change->name, change->display_name, change->model, change->system_prompt,
           change->greeting);
    return call_run(call);
}

enum status helper_remove(struct call *call, const char *name)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_HELPER_REMOVE, name);
    enum status status = call_run(call);
    if (status == ST_OK && rows->affected == 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "helper_not_found", "There is no helper of that name.");
    return status;
}

bool helper_name_fit(const char *given, char fitted[HELPER_NAME_MAX + 1])
{
    size_t n = 0;
    if (pattern_matches(PATTERN_NAME, given)) {
        memcpy(fitted, given, strlen(given) + 1);
        return true;
    }
    for (const char *c = given; *c && n < HELPER_NAME_MAX; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        bool letter = lower >= 'a' && lower <= 'z';
        if (!letter && n == 0)
            continue;
        bool fits = letter || (lower >= '0' && lower <= '9') || lower == '_' || lower == '-';
        fitted[n++] = fits ? lower : '-';
    }
    while (n && fitted[n - 1] == '-')
        n--;
    fitted[n] = '\0';
    return n > 0;
}
