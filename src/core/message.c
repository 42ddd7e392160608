/* Messages of a session: a page of the active path, one more at its end or beside it. */
#include "core/message.h"

#include <string.h>

#include "base/json_writer.h"

bool message_role_is_known(const char *role)
{
    static const char *const roles[] = {"user", "assistant", "system", "tool"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(role, roles[i]) == 0)
            return true;
    return false;
}

/* The fifteen columns of every query in sql/queries/message.sql. */
static void from_row(const struct db_rows *rows, unsigned row, struct message *message)
{
    *message = (struct message){
        .seq = row_int(rows, row, 1),
        .parent_id = row_text(rows, row, 2),
        .sibling_index = row_int(rows, row, 3),
        .sibling_count = row_int(rows, row, 4),
        .role = row_text(rows, row, 5),
        .content = row_text(rows, row, 6),
        .content_len = row_length(rows, row, 6),
        .tool_calls = row_text(rows, row, 7),
        .metadata = row_text(rows, row, 8),
        .turn_id = row_text(rows, row, 9),
        .created_at = row_time(rows, row, 10),
        .status = row_text(rows, row, 11),
        .tokens = row_text(rows, row, 12),
        .prompt_tokens = row_text(rows, row, 13),
        .tokens_estimated = row_is_null(rows, row, 14) ? NULL : db_bool(row_bool(rows, row, 14)),
    };
    (void)row_uuid(rows, row, 0, &message->id);
}

static const struct db_rows *queue_range(struct call *call, const char *session, const struct message_range *range)
{
    static const enum query queries[] = {
        [MESSAGE_LAST] = QUERY_MESSAGE_LAST,   [MESSAGE_BEFORE] = QUERY_MESSAGE_BEFORE,
        [MESSAGE_AFTER] = QUERY_MESSAGE_AFTER, [MESSAGE_OFFSET] = QUERY_MESSAGE_OFFSET,
        [MESSAGE_ALL] = QUERY_MESSAGE_ALL,
    };
    /* One row more than asked for tells whether there is more. */
    const char *limit = db_int(call->arena, (int64_t)range->limit + 1);
    if (range->bytes)
        return db_add(&call->tx, QUERY_MESSAGE_HISTORY, call->user.text, session, limit,
                      db_int(call->arena, range->from == MESSAGE_BEFORE ? range->at : INT32_MAX),
                      db_int(call->arena, (int64_t)range->bytes));
    if (range->from == MESSAGE_LAST)
        return db_add(&call->tx, QUERY_MESSAGE_LAST, call->user.text, session, limit);
    return db_add(&call->tx, queries[range->from], call->user.text, session, limit, db_int(call->arena, range->at));
}

/* How many rows make a page: as many as were asked for, but not more text than there is room for, or than a request may
 * bring, so that long messages cannot make an answer beyond the arena. At least one. */
static unsigned fit_page(const struct call *call, const struct db_rows *rows, const struct message_range *range)
{
    size_t room = range->bytes ? range->bytes : (size_t)call->settings->max_body_bytes, bytes = 0;
    unsigned count = 0;
    while (count < rows->count && count < range->limit) {
        /* As the text of the answer takes it: what has to be escaped is up to six times as long. */
        bytes += json_escaped_length(row_text(rows, count, 6), row_length(rows, count, 6)) +
                 row_length(rows, count, 7) + row_length(rows, count, 8);
        if (count && bytes > room)
            break;
        count++;
    }
    return count;
}

static enum status read_page(struct call *call, const struct uuid *session, const struct message_range *range,
                             struct message_page *page)
{
    const struct db_rows *there = db_add(&call->tx, QUERY_MESSAGE_SESSION, call->user.text, session->text);
    const struct db_rows *rows = queue_range(call, session->text, range);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (there->count == 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "session_not_found", "No such session.");
    page->count = fit_page(call, rows, range);
    page->more = rows->count > page->count;
    page->message = arena_alloc(call->arena, page->count * sizeof(*page->message));
    if (!page->message)
        return ST_UNAVAILABLE;
    /* Read from the end, the rows come newest first. */
    bool backwards = range->from == MESSAGE_LAST || range->from == MESSAGE_BEFORE;
    for (unsigned i = 0; i < page->count; i++)
        from_row(rows, i, &page->message[backwards ? page->count - 1 - i : i]);
    return ST_OK;
}

/* The answer on the page that is being written; NULL: none. */
static struct message *find_streaming(const struct message_page *page)
{
    for (unsigned i = page->count; i > 0; i--)
        if (strcmp(page->message[i - 1].status, "streaming") == 0)
            return &page->message[i - 1];
    return NULL;
}

enum status message_page(struct call *call, const struct uuid *session, const struct message_range *range,
                         struct message_page *page)
{
    enum status status = read_page(call, session, range, page);
    if (status != ST_OK || !find_streaming(page))
        return status;
    /* Whoever wrote it may be gone: then this reader ends it, and reads again what stands there now. */
    call_next(call);
    db_add(&call->tx, QUERY_TURN_SETTLE, call->user.text, session->text);
    status = read_page(call, session, range, page);
    struct message *answer = status == ST_OK ? find_streaming(page) : NULL;
    if (!answer)
        return status;
    call_next(call);
    const struct db_rows *rows = db_add(&call->tx, QUERY_TURN_TEXT, call->user.text, answer->turn_id);
    status = call_run(call);
    if (status != ST_OK)
        return status;
    answer->content = row_text(rows, 0, 0);
    answer->content_len = row_length(rows, 0, 0);
    return ST_OK;
}

enum status message_run_for_one(struct call *call, const struct db_rows *rows, struct message *message)
{
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return ST_INTERNAL;
    from_row(rows, 0, message);
    return ST_OK;
}

enum status message_append(struct call *call, const struct uuid *session, const struct message_new *new_message,
                           struct message *message)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_MESSAGE_APPEND, call->user.text, session->text, new_message->id.text, new_message->role,
               new_message->content, new_message->tool_calls, new_message->metadata, new_message->turn_id,
               new_message->parent_id);
    return message_run_for_one(call, rows, message);
}
