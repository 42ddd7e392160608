/* Turns: begun, found again, asked to stop. */
#include "core/turn.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"

static enum status not_found(struct call *call)
{
    return fault_set(&call->fault, ST_NOT_FOUND, "turn_not_found", "No such turn.");
}

/* --- beginning --- */

static const struct db_rows *queue_begin(struct call *call, const struct turn_new *new_turn)
{
    const struct settings *settings = call->settings;
    struct arena *arena = call->arena;
    /* Without a model server the echo model answers, whichever is asked for. */
    const char *model = *settings->model_url ? new_turn->model : "echo";
    const char *usual = *settings->model_name ? settings->model_name : NULL;
    return db_add(&call->tx, QUERY_TURN_BEGIN, call->user.text, new_turn->session.text, db_bool(new_turn->created),
                  new_turn->project_id, new_turn->helper, model, new_turn->text, new_turn->parent_id,
                  new_turn->turn.text, new_turn->user_message.text, new_turn->message.text,
                  db_int(arena, TURN_LEASE_SECONDS), db_int(arena, settings->quota_sessions_per_minute),
                  db_int(arena, settings->quota_sessions), db_int(arena, settings->quota_turns_per_minute),
                  db_int(arena, settings->quota_turns_running), db_int(arena, settings->quota_tokens_per_day), usual);
}

/* The model's `messages`: the helper's system prompt, then the active path. */
static const char *write_messages(struct arena *arena, const char *system_prompt, const struct db_rows *history)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, arena);
    json_writer_init(&json, &out);
    json_begin_array(&json);
    if (system_prompt) {
        json_begin_object(&json);
        json_put_text(&json, "role", "system");
        json_put_text(&json, "content", system_prompt);
        json_end_object(&json);
    }
    for (unsigned i = 0; i < history->count; i++) {
        json_begin_object(&json);
        json_put_text(&json, "role", row_text(history, i, 0));
        json_put_text(&json, "content", row_text(history, i, 1));
        if (!row_is_null(history, i, 2))
            json_put_raw(&json, "tool_calls", row_text(history, i, 2));
        /* What a tool answered names the call; clients keep that in the message's metadata. */
        if (!row_is_null(history, i, 3))
            json_put_text(&json, "tool_call_id", row_text(history, i, 3));
        json_end_object(&json);
    }
    json_end_array(&json);
    return buf_text(&out);
}

enum status turn_begin(struct call *call, const struct turn_new *new_turn, struct turn_begun *begun)
{
    const struct db_rows *rows = queue_begin(call, new_turn);
    const struct db_rows *history = db_add(&call->tx, QUERY_TURN_HISTORY, call->user.text, new_turn->session.text,
                                           db_int(call->arena, (int64_t)call->settings->history_tokens * 4));
    if (new_turn->key)
        db_add(&call->tx, QUERY_TURN_NOTE_KEY, call->user.text, new_turn->key, new_turn->turn.text);
    call->end = DB_COMMIT;
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0 || !row_uuid(rows, 0, 1, &begun->user_message))
        return ST_INTERNAL;
    begun->title = row_text(rows, 0, 0);
    begun->model = row_text(rows, 0, 2);
    begun->id_base = (long)row_int(rows, 0, 4);
    begun->messages = write_messages(call->arena, row_text(rows, 0, 3), history);
    return begun->messages ? ST_OK : ST_UNAVAILABLE;
}

enum status turn_fail(struct call *call, const struct uuid *turn, const char *code, const char *message)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, call->arena);
    json_writer_init(&json, &out);
    /* No relay took the turn, so these are its first and only events: there is nothing they could collide with. */
    json_begin_array(&json);
    json_begin_object(&json);
    json_put_int(&json, "id", 1);
    json_put_text(&json, "type", "error");
    json_write_key(&json, "data");
    json_begin_object(&json);
    json_put_text(&json, "type", "error");
    json_put_text(&json, "code", code);
    json_put_text(&json, "message", message);
    json_put_text(&json, "turn_id", turn->text);
    json_end_object(&json);
    json_end_object(&json);
    json_end_array(&json);
    const char *events = buf_text(&out);
    if (!events)
        return ST_UNAVAILABLE;
    call_next(call);
    db_add(&call->tx, QUERY_TURN_FINISH, call->user.text, turn->text, events, "failed", "", NULL, NULL, code, NULL, "0",
           "0", "true");
    return call_run(call);
}

/* --- finding again --- */

/* All columns of turn_watched, and the first of turn_get. */
static void from_row(const struct db_rows *rows, struct turn *turn)
{
    *turn = (struct turn){
        .running = strcmp(row_text(rows, 0, 1), "streaming") == 0,
        .last_event_id = (long)row_int(rows, 0, 2),
        .id_base = (long)row_int(rows, 0, 5),
    };
    (void)row_uuid(rows, 0, 0, &turn->id);
    (void)row_uuid(rows, 0, 3, &turn->message);
    (void)row_uuid(rows, 0, 4, &turn->user_message);
}

enum status turn_watched(struct call *call, const struct uuid *session, long after, struct turn *turn, bool *found)
{
    call->tx.read_only = false;
    const struct db_rows *there = db_add(&call->tx, QUERY_MESSAGE_SESSION, call->user.text, session->text);
    db_add(&call->tx, QUERY_TURN_SETTLE, call->user.text, session->text);
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_TURN_WATCHED, call->user.text, session->text, db_int(call->arena, after));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (there->count == 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "session_not_found", "No such session.");
    *found = rows->count > 0;
    if (*found) {
        from_row(rows, turn);
        turn->session = *session;
    }
    return ST_OK;
}

/* Reads a turn by the id that a query before has found. */
static enum status get_found(struct call *call, const struct db_rows *found, struct turn *turn)
{
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (found->count == 0)
        return not_found(call);
    const char *id = row_text(found, 0, 0);
    call_next(call);
    const struct db_rows *rows = db_add(&call->tx, QUERY_TURN_GET, call->user.text, id);
    status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return not_found(call);
    from_row(rows, turn);
    turn->thread = row_text(rows, 0, 7);
    return row_uuid(rows, 0, 6, &turn->session) ? ST_OK : ST_INTERNAL;
}

enum status turn_of_key(struct call *call, const char *key, struct turn *turn)
{
    call_next(call);
    call->end = DB_COMMIT;
    return get_found(call, db_add(&call->tx, QUERY_TURN_OF_KEY, call->user.text, key), turn);
}

enum status turn_of_event(struct call *call, const char *session_id, long event, struct turn *turn)
{
    call_next(call);
    call->end = DB_COMMIT;
    const char *id = db_int(call->arena, event);
    return get_found(call, db_add(&call->tx, QUERY_TURN_OF_EVENT, call->user.text, session_id, id), turn);
}

enum status turn_of_text(struct call *call, const char *session_id, const char *text, struct turn *turn)
{
    call_next(call);
    call->end = DB_COMMIT;
    return get_found(call, db_add(&call->tx, QUERY_TURN_OF_TEXT, call->user.text, session_id, text), turn);
}

/* --- events --- */

/* The part of a joined text event that lies behind `after`: its id tells where it ends, its bytes where it began. An id
 * inside a character, which was never given out, is taken as the character's end. */
static const char *cut_event(struct call *call, long id, long after, const char *data)
{
    const struct json *event;
    struct json_error error;
    struct buf out;
    struct json_writer json;
    if (json_parse(call->arena, data, strlen(data), &event, &error) != ST_OK)
        return data;
    const struct json *content = json_member(event, "content");
    const struct json *type = json_member(event, "type");
    size_t n = 0;
    if (!content || !type || json_type(content) != JSON_STRING || json_type(type) != JSON_STRING)
        return data;
    const char *text = json_string(content, &n);
    long begin = id - (long)n;
    if (begin >= after)
        return data;
    size_t from = (size_t)(after - begin);
    while (from < n && ((unsigned char)text[from] & 0xC0) == 0x80)
        from++;
    buf_init(&out, call->arena);
    json_writer_init(&json, &out);
    json_begin_object(&json);
    json_put_text(&json, "type", json_string(type, NULL));
    json_write_key(&json, "content");
    json_write_string(&json, text + from, n - from);
    json_end_object(&json);
    return buf_text(&out);
}

static bool is_text(const char *type)
{
    return strcmp(type, "token") == 0 || strcmp(type, "reasoning") == 0;
}

static bool names_turn(const char *type)
{
    return strcmp(type, "session") == 0 || strcmp(type, "done") == 0 || strcmp(type, "error") == 0;
}

enum status turn_events(struct call *call, const struct turn *turn, long after, struct turn_rows *rows)
{
    after = after > turn->id_base ? after - turn->id_base : 0;
    call_next(call);
    const struct db_rows *found = db_add(&call->tx, QUERY_TURN_EVENTS, call->user.text, turn->id.text,
                                         db_int(call->arena, after), db_int(call->arena, TURN_EVENTS_MAX));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    size_t room = (size_t)call->settings->max_body_bytes, bytes = 0;
    rows->row = arena_alloc(call->arena, found->count * sizeof(*rows->row));
    if (!rows->row)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < found->count; i++) {
        struct turn_row *row = &rows->row[i];
        bytes += row_length(found, i, 2);
        if (i && bytes > room)
            break;
        long id = (long)row_int(found, i, 0);
        row->id = turn->id_base + id;
        row->data = row_text(found, i, 2);
        row->names_turn = names_turn(row_text(found, i, 1));
        if (i == 0 && is_text(row_text(found, i, 1)))
            row->data = cut_event(call, id, after, row->data);
        if (!row->data)
            return ST_UNAVAILABLE;
        rows->count = i + 1;
    }
    return ST_OK;
}

enum status turn_stop(struct call *call, const struct uuid *session, struct uuid *turn, bool *running)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_TURN_STOP, call->user.text, session->text);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    *running = rows->count > 0 && row_uuid(rows, 0, 0, turn);
    return ST_OK;
}
