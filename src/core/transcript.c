/* Transcripts: whole sessions as arrays of {role, content}, saved and listed. */
#include "core/transcript.h"

#include "base/buf.h"
#include "core/session.h"

/* So many new ids as an array of PostgreSQL's; NULL: none could be made. */
static const char *make_ids(struct arena *arena, size_t count)
{
    struct buf ids;
    buf_init(&ids, arena);
    buf_add_char(&ids, '{');
    for (size_t i = 0; i < count; i++) {
        struct uuid id;
        if (!uuid_v7(&id))
            return NULL;
        if (i)
            buf_add_char(&ids, ',');
        buf_add_text(&ids, id.text);
    }
    buf_add_char(&ids, '}');
    return buf_text(&ids);
}

enum status transcript_save(struct call *call, const struct transcript_new *new_transcript,
                            struct transcript *transcript)
{
    const struct settings *settings = call->settings;
    const char *ids = make_ids(call->arena, new_transcript->count);
    if (!ids)
        return ST_UNAVAILABLE;
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_TRANSCRIPT_SAVE, call->user.text, new_transcript->session.text,
               db_bool(!new_transcript->named), new_transcript->messages, ids,
               db_int(call->arena, settings->quota_sessions_per_minute), db_int(call->arena, settings->quota_sessions));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    *transcript = (struct transcript){
        .messages = new_transcript->messages,
        .created_at = row_time(rows, 0, 1),
        .updated_at = row_time(rows, 0, 2),
    };
    return row_uuid(rows, 0, 0, &transcript->session) ? ST_OK : ST_INTERNAL;
}

static void from_row(const struct db_rows *rows, unsigned row, struct transcript *transcript)
{
    *transcript = (struct transcript){
        .messages = row_text(rows, row, 1),
        .omitted = row_int(rows, row, 2),
        .created_at = row_time(rows, row, 3),
        .updated_at = row_time(rows, row, 4),
        .last_message_at = row_time(rows, row, 5),
    };
    (void)row_uuid(rows, row, 0, &transcript->session);
}

enum status transcript_list(struct call *call, unsigned limit, size_t bytes, const char *after_time,
                            const char *after_id, struct transcript_page *page)
{
    db_add(&call->tx, QUERY_TURN_SETTLE_ALL, call->user.text);
    const struct db_rows *rows = db_add(&call->tx, QUERY_TRANSCRIPT_LIST, call->user.text, db_int(call->arena, limit),
                                        after_time ? after_time : SESSION_FIRST_TIME,
                                        after_time ? after_id : SESSION_FIRST_ID, db_int(call->arena, (int64_t)bytes));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    /* A last row without messages stands for all that follow. */
    page->more = rows->count && row_is_null(rows, rows->count - 1, 1);
    page->count = rows->count - page->more;
    page->transcript = arena_alloc(call->arena, page->count * sizeof(*page->transcript));
    if (!page->transcript)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < page->count; i++)
        from_row(rows, i, &page->transcript[i]);
    return ST_OK;
}
