/*
 * The events of a turn as front ends of threads read them.
 *
 * What must stay true: each frame is one line, with the blanks behind colons and commas that these front ends were
 * written against; the text of all tokens together is the answer.
 */
#include "relay/frames.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"

/* A member of an event, when it is a text; else NULL. */
static const char *member(const struct json *event, const char *key, size_t *n)
{
    const struct json *value = event ? json_member(event, key) : NULL;
    return value && json_type(value) == JSON_STRING ? json_string(value, n) : NULL;
}

static void put_text(struct buf *out, const char *key, const char *text, size_t n)
{
    struct json_writer json;
    json_writer_init(&json, out);
    buf_printf(out, ", \"%s\": ", key);
    json_write_string(&json, text, n);
}

static void begin(struct buf *out, enum turn_event type)
{
    buf_add_text(out, "data: {\"type\": \"");
    buf_add_text(out, turn_event_name(type));
    buf_add_char(out, '"');
}

static void end(struct buf *out)
{
    buf_add_text(out, "}\n\n");
}

static void write_content(struct buf *out, enum turn_event type, const char *text, size_t n)
{
    begin(out, type);
    put_text(out, "content", text ? text : "", text ? n : 0);
    end(out);
}

/* Only the first piece of a call has the tool's name; the others bring its arguments. */
static bool write_call(const struct json *event, struct buf *out)
{
    size_t n = 0;
    const char *name = member(event, "name", &n);
    struct buf text;
    if (!name)
        return false;
    buf_init(&text, out->arena);
    buf_add_text(&text, "Using ");
    buf_add(&text, name, n);
    buf_add_text(&text, "...");
    write_content(out, TURN_STATUS, text.data, text.len);
    return true;
}

static void write_error(const struct json *event, struct buf *out)
{
    size_t message_len = 0, code_len = 0;
    const char *message = member(event, "message", &message_len), *code = member(event, "code", &code_len);
    begin(out, TURN_ERROR);
    put_text(out, "content", message ? message : "The answer failed.", message ? message_len : 18);
    if (code)
        put_text(out, "code", code, code_len);
    end(out);
}

static void write_done(const struct frames *frames, struct buf *out)
{
    size_t n = strlen(frames->thread);
    begin(out, TURN_DONE);
    put_text(out, "thread_id", frames->thread, n);
    if (frames->twice)
        put_text(out, "threadId", frames->thread, n);
    end(out);
}

/* The event's JSON; NULL: it cannot be read. */
static const struct json *read_event(const struct turn_piece *piece, struct buf *out)
{
    struct json_error error;
    const struct json *event = NULL;
    bool readable = json_parse(out->arena, piece->text, piece->len, &event, &error) == ST_OK;
    return readable && json_type(event) == JSON_OBJECT ? event : NULL;
}

bool frames_write(const struct turn_piece *piece, const void *how, struct buf *out)
{
    const struct json *event;
    const char *text;
    size_t n = 0;
    switch (piece->type) {
    case TURN_TOKEN:
        write_content(out, TURN_TOKEN, piece->text, piece->len);
        return true;
    case TURN_STATUS:
        event = read_event(piece, out);
        text = member(event, "content", &n);
        write_content(out, TURN_STATUS, text, n);
        return true;
    case TURN_TOOL_CALL:
        return write_call(read_event(piece, out), out);
    case TURN_DONE:
        write_done(how, out);
        return true;
    case TURN_ERROR:
        write_error(read_event(piece, out), out);
        return true;
    case TURN_SESSION:
    case TURN_REASONING:
        break;
    }
    return false;
}
