/* The forms in which other applications keep chats: a table, and rows of one shape. */
#include "core/legacy_form.h"

#include <string.h>

/* Projects stand before the sessions in them. */
const struct legacy_form legacy_forms[] = {
    {"people", "people", LEGACY_PEOPLE, QUERY_SOURCE_PEOPLE, QUERY_COUNT, "id", false, false},
    {"projects", "v1", LEGACY_PROJECTS, QUERY_SOURCE_PROJECTS, QUERY_COUNT, "user_id", false, false},
    {"members", "v1", LEGACY_PROJECTS, QUERY_SOURCE_MEMBERS, QUERY_COUNT, "user_id", false, false},
    {"saves", "saves", LEGACY_MESSAGES, QUERY_SOURCE_SAVES, QUERY_SOURCE_COUNT_SAVES, "id", false, true},
    {"v1", "v1", LEGACY_MESSAGES, QUERY_SOURCE_V1, QUERY_SOURCE_COUNT_MESSAGES, "user_id", false, false},
    {"v1 and turns", "v1", LEGACY_MESSAGES, QUERY_SOURCE_V1_TURNS, QUERY_SOURCE_COUNT_V1_TURNS, "user_id", false,
     false},
    {"old turns", "v1", LEGACY_MESSAGES, QUERY_SOURCE_OLD_TURNS, QUERY_SOURCE_COUNT_TURNS, "user_id", false, false},
    {"helper chats", "helper chats", LEGACY_MESSAGES, QUERY_SOURCE_HELPER_CHATS, QUERY_SOURCE_COUNT_MESSAGES, "id",
     false, false},
    {"threads", "threads", LEGACY_MESSAGES, QUERY_SOURCE_THREADS, QUERY_SOURCE_COUNT_THREADS, "id", false, false},
    {"single thread", "single thread", LEGACY_MESSAGES, QUERY_SOURCE_THREADS, QUERY_SOURCE_COUNT_THREADS, "id", true,
     false},
    {"usage", "usage", LEGACY_USAGE, QUERY_SOURCE_USAGE, QUERY_COUNT, "id", false, false},
    {NULL, NULL, LEGACY_PEOPLE, QUERY_COUNT, QUERY_COUNT, NULL, false, false},
};

enum status legacy_forms_find(struct source *source, bool *there)
{
    const struct db_rows *rows;
    enum status status = source_ask(source, QUERY_SOURCE_FORMS, NULL, 0, &rows);
    for (unsigned form = 0; status == ST_OK && legacy_forms[form].name; form++) {
        there[form] = false;
        for (unsigned row = 0; row < rows->count; row++)
            there[form] = there[form] || strcmp(row_text(rows, row, 0), legacy_forms[form].name) == 0;
    }
    return status;
}

enum status legacy_form_count(struct source *source, const struct legacy_form *form, int64_t *count)
{
    const struct db_rows *rows;
    *count = 0;
    if (form->kind != LEGACY_MESSAGES)
        return ST_OK;
    enum status status = source_ask(source, form->count, NULL, 0, &rows);
    if (status == ST_OK)
        *count = row_int(rows, 0, 0);
    return status;
}

void legacy_row_read(const struct source_stream *stream, struct legacy_row *row)
{
    const struct db_rows *rows = &stream->rows;
    const char *remark;
    const char **const columns[] = {&row->owner,
                                    &row->session,
                                    &row->message,
                                    &row->role,
                                    &row->content,
                                    NULL,
                                    &row->tool_calls,
                                    &row->metadata,
                                    &row->created_at,
                                    &row->title,
                                    &row->project,
                                    &row->project_name,
                                    &row->helper,
                                    &row->thread,
                                    &row->provider_thread,
                                    &row->is_active,
                                    &row->session_created_at,
                                    &row->session_updated_at,
                                    &row->last_message_at,
                                    &row->project_created_at,
                                    &remark};
    for (unsigned column = 0; column < sizeof(columns) / sizeof(columns[0]); column++)
        if (columns[column])
            *columns[column] = row_text(rows, stream->row, column);
    row->content_len = row_length(rows, stream->row, 4);
    row->has_content = !row_is_null(rows, stream->row, 5);
    row->is_mended = remark && strcmp(remark, "mended") == 0;
    row->is_taken = remark && strcmp(remark, "taken") == 0;
    row->is_twice = remark && strcmp(remark, "twice") == 0;
}
