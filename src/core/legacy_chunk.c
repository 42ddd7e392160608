/*
 * Rows of another application, made into what Parley keeps.
 *
 * What must stay true: whatever stands in a row, the database accepts what comes out here; what is changed or left out
 * on the way is noted; and what somebody else's words say never gains weight, so that an unknown role becomes the
 * assistant's, not the system's.
 */
#include "core/legacy_chunk.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/pattern.h"
#include "base/utf8.h"
#include "core/helper.h"

#define MESSAGES_MAX    500
#define BYTES_MAX       ((size_t)1 << 20)
#define TITLE_MAX       200 /* characters */
#define PROJECT_MAX     200
#define THREAD_NAME_MAX 200
#define PROVIDER_MAX    1000 /* bytes */
#define ROLE_MAX        1000

void legacy_chunk_reset(struct legacy_chunk *chunk)
{
    struct arena *arena = chunk->legacy->call->arena;
    buf_init(&chunk->sessions_text, arena);
    buf_init(&chunk->messages_text, arena);
    json_writer_init(&chunk->sessions, &chunk->sessions_text);
    json_writer_init(&chunk->messages, &chunk->messages_text);
    json_begin_array(&chunk->sessions);
    json_begin_array(&chunk->messages);
    chunk->session_count = chunk->message_count = 0;
}

static struct arena *memory(const struct legacy_chunk *chunk)
{
    return chunk->legacy->call->arena;
}

static enum status make_id(const struct legacy_chunk *chunk, const char *what, const char *id, struct uuid *uuid)
{
    const char *kind = arena_printf(memory(chunk), "%s %s", chunk->form->namespace, what);
    return kind && id ? legacy_id(chunk->legacy->source, kind, id, uuid) : ST_UNAVAILABLE;
}

/* One line of at most so many characters, control characters made blanks; NULL for what is empty or not UTF-8. */
static const char *clean_line(struct arena *arena, const char *text, size_t characters, bool *cut)
{
    size_t n = text ? strlen(text) : 0;
    if (!n || !utf8_valid(text, n))
        return NULL;
    size_t kept = utf8_prefix(text, n, characters);
    *cut = kept < n;
    char *line = arena_strndup(arena, text, kept);
    for (char *c = line; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    return line;
}

/* Whether it can be asked for by that name: read_thread in api/fields.c takes no control characters. */
static bool is_thread_name(const char *name)
{
    size_t n = strlen(name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return false;
    return n && utf8_valid(name, n) && utf8_length(name, n) <= THREAD_NAME_MAX;
}

/* Whether it is UTF-8 of at most so many bytes. */
static bool is_text(const char *text, size_t max)
{
    size_t n = strlen(text);
    return n <= max && utf8_valid(text, n);
}

/* "infinity" is a time to PostgreSQL, but no moment of a chat; the 30th of February would end the import. */
static const char *clean_time(const char *text)
{
    return text && pattern_matches(PATTERN_MOMENT, text) ? text : NULL;
}

static void put_helper(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    char fitted[HELPER_NAME_MAX + 1];
    chunk->helper_waits = false;
    if (!row->helper || !*row->helper || !is_text(row->helper, LEGACY_METADATA_MAX))
        return;
    if (helper_name_fit(row->helper, fitted)) {
        json_put_text(&chunk->sessions, "helper", fitted);
        if (strcmp(fitted, row->helper) != 0)
            legacy_report_note(chunk->report, LEGACY_HELPER_FITTED, row->session);
        return;
    }
    chunk->helper_waits = true;
    legacy_report_note(chunk->report, LEGACY_HELPER_KEPT, row->session);
}

/* The thread's name, where it is not just its session's id; the session's id is set. */
static enum status put_thread(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    static const char by_id[] = "thread-", by_user[] = "user-", legacy[] = "thread-legacy-";
    const char *thread = row->thread;
    if (uuid_parse(&chunk->session, thread) ||
        (strncmp(thread, by_id, strlen(by_id)) == 0 && uuid_parse(&chunk->session, thread + strlen(by_id))))
        return ST_OK;
    const char *name = thread;
    if (strncmp(thread, by_user, strlen(by_user)) == 0) {
        const char *rest = thread + strlen(by_user);
        name = arena_printf(memory(chunk), "%s%s", legacy, rest);
        if (chunk->form->has_default && strcmp(rest, row->owner) == 0)
            json_put_text(&chunk->sessions, "thread_name",
                          arena_printf(memory(chunk), "%s%s", by_user, chunk->legacy->call->user.text));
    }
    if (name && is_thread_name(name))
        json_put_text(&chunk->sessions, "thread_fallback", name);
    else
        legacy_report_note(chunk->report, LEGACY_THREAD_UNNAMED, row->session);
    return make_id(chunk, "session", row->session, &chunk->session);
}

static enum status put_project(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    struct uuid project;
    bool cut;
    if (!row->project || !*row->project)
        return ST_OK;
    enum status status = make_id(chunk, "project", row->project, &project);
    if (status != ST_OK)
        return status;
    const char *name = clean_line(memory(chunk), row->project_name, PROJECT_MAX, &cut);
    if (!name)
        name = arena_printf(memory(chunk), "Project %.36s", row->project);
    json_put_text(&chunk->sessions, "project_id", project.text);
    json_put_text(&chunk->sessions, "project_name", name);
    json_put_text(&chunk->sessions, "project_created_at", clean_time(row->project_created_at));
    return ST_OK;
}

static void put_times(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    const char *created = clean_time(row->session_created_at);
    json_put_text(&chunk->sessions, "created_at", created ? created : row->created_at);
    json_put_text(&chunk->sessions, "updated_at", clean_time(row->session_updated_at));
    json_put_text(&chunk->sessions, "last_message_at", clean_time(row->last_message_at));
}

enum status legacy_chunk_session(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    struct json_writer *json = &chunk->sessions;
    bool cut = false;
    json_begin_object(json);
    enum status status =
        row->thread ? put_thread(chunk, row) : make_id(chunk, "session", row->session, &chunk->session);
    if (status == ST_OK)
        status = put_project(chunk, row);
    if (status != ST_OK)
        return status;
    json_put_text(json, "session_id", chunk->session.text);
    json_put_text(json, "title", clean_line(memory(chunk), row->title, TITLE_MAX, &cut));
    if (cut)
        legacy_report_note(chunk->report, LEGACY_TITLE_CUT, row->session);
    put_helper(chunk, row);
    if (row->provider_thread && is_text(row->provider_thread, PROVIDER_MAX))
        json_put_text(json, "provider_thread_id", row->provider_thread);
    if (row->is_active)
        json_put_bool(json, "is_active", strcmp(row->is_active, "false") != 0);
    put_times(chunk, row);
    json_end_object(json);
    chunk->session_count++;
    return ST_OK;
}

/* The role as Parley knows it; NULL for one that it does not. */
static const char *known_role(const char *role)
{
    static const char *const roles[][2] = {
        {"user", "user"},        {"assistant", "assistant"}, {"system", "system"},   {"tool", "tool"},
        {"human", "user"},       {"ai", "assistant"},        {"bot", "assistant"},   {"model", "assistant"},
        {"developer", "system"}, {"function", "tool"},       {"agent", "assistant"},
    };
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcasecmp(role, roles[i][0]) == 0)
            return roles[i][1];
    return NULL;
}

/* Notes something about the row's message: one that is an element of a list by its session and its place there. */
static void note_message(const struct legacy_chunk *chunk, enum legacy_note note, const struct legacy_row *row)
{
    char place[LEGACY_NOTE_ID_MAX + 1];
    const char *shown = row->message;
    if (chunk->form->has_places) {
        snprintf(place, sizeof(place), "%.60s/%s", row->session, row->message);
        shown = place;
    }
    legacy_report_note(chunk->report, note, shown);
}

/* An array as it is, an object as the one element of one. */
static void put_tool_calls(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    const char *calls = row->tool_calls;
    if (!calls || strcmp(calls, "null") == 0)
        return;
    if ((*calls != '[' && *calls != '{') || !is_text(calls, LEGACY_TOOL_CALLS_MAX)) {
        note_message(chunk, LEGACY_TOOL_CALLS_LEFT, row);
        return;
    }
    json_write_key(&chunk->messages, "tool_calls");
    if (*calls == '{')
        json_begin_array(&chunk->messages);
    json_write_raw(&chunk->messages, calls);
    if (*calls == '{')
        json_end_array(&chunk->messages);
}

/* A column that is NULL comes as JSON's null. */
static bool has_metadata(const struct legacy_row *row)
{
    return row->metadata && strcmp(row->metadata, "null") != 0;
}

/* An object's members behind those that stand already in the object that is written. */
static void put_members(struct legacy_chunk *chunk, const struct legacy_row *row, bool first)
{
    const char *metadata = row->metadata;
    if (!has_metadata(row) || strcmp(metadata, "{}") == 0)
        return;
    if (!*metadata || !is_text(metadata, LEGACY_METADATA_MAX))
        note_message(chunk, LEGACY_METADATA_LEFT, row);
    else if (*metadata != '{')
        json_put_raw(&chunk->messages, "value", metadata);
    else {
        if (!first)
            buf_add_char(&chunk->messages_text, ',');
        buf_add(&chunk->messages_text, metadata + 1, strlen(metadata) - 2);
    }
}

/* What came as metadata, with what has no other place. */
static void put_metadata(struct legacy_chunk *chunk, const struct legacy_row *row, const char *role)
{
    struct json_writer *json = &chunk->messages;
    if (!has_metadata(row) && role && !chunk->helper_waits)
        return;
    json_write_key(json, "metadata");
    json_begin_object(json);
    if (!role)
        json_put_text(json, "legacy_role", row->role);
    if (chunk->helper_waits)
        json_put_text(json, "legacy_helper", row->helper);
    put_members(chunk, row, role && !chunk->helper_waits);
    json_end_object(json);
    chunk->helper_waits = false;
}

/* Why the message cannot be stored; LEGACY_NOTES: it can. */
static enum legacy_note find_fault(const struct legacy_row *row)
{
    if (!*row->message)
        return LEGACY_NO_ID;
    if (!row->role || !*row->role || !row->has_content)
        return LEGACY_NO_TEXT;
    if (!row->content || strlen(row->role) > ROLE_MAX)
        return LEGACY_TOO_LONG;
    if (!utf8_valid(row->content, row->content_len) || !utf8_valid(row->role, strlen(row->role)))
        return LEGACY_BAD_TEXT;
    return LEGACY_NOTES;
}

enum status legacy_chunk_message(struct legacy_chunk *chunk, const struct legacy_row *row)
{
    struct uuid id;
    enum legacy_note fault = find_fault(row);
    if (fault != LEGACY_NOTES) {
        chunk->report->messages_skipped++;
        if (fault == LEGACY_NO_ID)
            legacy_report_note(chunk->report, fault, row->session);
        else
            note_message(chunk, fault, row);
        return ST_OK;
    }
    enum status status = ST_OK;
    if (!uuid_parse(&id, row->message))
        status = make_id(chunk, "message", arena_printf(memory(chunk), "%s/%s", row->session, row->message), &id);
    if (status != ST_OK)
        return status;
    const char *role = known_role(row->role);
    if (!role)
        note_message(chunk, LEGACY_ROLE_UNKNOWN, row);
    struct json_writer *json = &chunk->messages;
    json_begin_object(json);
    json_put_text(json, "session_id", chunk->session.text);
    json_put_text(json, "message_id", id.text);
    json_put_text(json, "role", role ? role : "assistant");
    json_write_key(json, "content");
    json_write_string(json, row->content, row->content_len);
    put_tool_calls(chunk, row);
    put_metadata(chunk, row, role);
    json_put_text(json, "created_at", row->created_at);
    json_end_object(json);
    chunk->message_count++;
    return ST_OK;
}

bool legacy_chunk_is_full(const struct legacy_chunk *chunk)
{
    return chunk->message_count >= MESSAGES_MAX || chunk->session_count >= MESSAGES_MAX ||
           chunk->messages_text.len >= BYTES_MAX;
}

/* Notes each row's session; answers how many they are. */
static int64_t note_foreign(const struct legacy_chunk *chunk, enum legacy_note note, const struct db_rows *rows)
{
    for (unsigned row = 0; row < rows->count; row++)
        legacy_report_note(chunk->report, note, row_text(rows, row, 0));
    return rows->count;
}

enum status legacy_chunk_store(struct legacy_chunk *chunk)
{
    struct legacy_stored stored;
    if (!chunk->session_count && !chunk->message_count)
        return ST_OK;
    json_end_array(&chunk->sessions);
    json_end_array(&chunk->messages);
    const char *sessions = buf_text(&chunk->sessions_text), *messages = buf_text(&chunk->messages_text);
    if (!sessions || !messages)
        return ST_UNAVAILABLE;
    enum status status = legacy_store(chunk->legacy, sessions, messages, &stored);
    if (status != ST_OK)
        return status;
    int64_t sessions_left = note_foreign(chunk, LEGACY_SESSION_FOREIGN, stored.foreign_sessions);
    int64_t messages_left = note_foreign(chunk, LEGACY_OF_FOREIGN_SESSION, stored.foreign_messages);
    chunk->report->sessions_new += stored.sessions;
    chunk->report->sessions_there += chunk->session_count - stored.sessions - sessions_left;
    chunk->report->sessions_skipped += sessions_left;
    chunk->report->messages_new += stored.messages;
    chunk->report->messages_there += chunk->message_count - stored.messages - messages_left;
    chunk->report->messages_skipped += messages_left;
    return ST_OK;
}
