/*
 * Reading the body of a model server's answer.
 *
 * What must stay true: what is kept does not grow with the number of events, but only with the longest unfinished one
 * and the calls of tools, both bounded; nothing is told after a failure or a stop; text that is told is valid UTF-8;
 * the result does not depend on how the bytes were cut.
 */
#include "relay/model_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "relay/model_answer.h"
#include "relay/model_text.h"

#define LINE_MAX     MODEL_STREAM_LINE_MAX
#define RUN_KEPT     2048                  /* a run that has grown beyond is given back when it is empty */
#define ENVELOPE_MAX ((size_t)1024 * 1024) /* what one JSON object may have around its text */
#define SPACE        " \t\r\n"

/* Bytes that wait for more. */
struct run {
    char *data;
    size_t len, cap;
};

enum body {
    BODY_UNKNOWN, /* nothing but white space came */
    BODY_EVENTS,
    BODY_JSON, /* one object */
};

struct model_stream {
    struct model_answer answer;
    enum body body;
    bool skip_newline; /* a CR ended the last line: an LF now belongs to it */
    bool error_event;  /* the event that is being read is called error */
    bool unknown_line; /* a line came that is none of theirs */
    struct run line;   /* the unfinished line */
    struct run data;   /* data of an event in several lines, or the body that is one object */
};

static bool run_add(struct run *run, const char *bytes, size_t n)
{
    if (n > run->cap - run->len) {
        size_t cap = run->cap * 2 > run->len + n ? run->cap * 2 : run->len + n;
        char *data = realloc(run->data, cap);
        if (!data)
            return false;
        run->data = data;
        run->cap = cap;
    }
    if (n)
        memcpy(run->data + run->len, bytes, n);
    run->len += n;
    return true;
}

static void run_empty(struct run *run)
{
    run->len = 0;
    if (run->cap <= RUN_KEPT)
        return;
    free(run->data);
    *run = (struct run){0};
}

struct model_stream *model_stream_new(const struct upstream_events *events, void *owner, struct arena *scratch,
                                      size_t max_bytes)
{
    struct model_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    stream->answer =
        (struct model_answer){.events = events, .owner = owner, .scratch = scratch, .max_bytes = max_bytes};
    return stream;
}

void model_stream_free(struct model_stream *stream)
{
    if (!stream)
        return;
    free(stream->line.data);
    free(stream->data.data);
    model_answer_fini(&stream->answer);
    free(stream);
}

static bool wants_more(const struct model_stream *stream)
{
    return model_answer_wants_more(&stream->answer);
}

static void fail(struct model_stream *stream, enum model_failure failure)
{
    model_answer_fail(&stream->answer, failure);
}

/* --- server-sent events --- */

/* Takes off white space at both ends. */
static void trim(const char **text, size_t *n)
{
    while (*n && strchr(SPACE, **text) && **text) {
        (*text)++;
        (*n)--;
    }
    while (*n && (*text)[*n - 1] && strchr(SPACE, (*text)[*n - 1]))
        (*n)--;
}

/* The data of an event. False: it is no JSON, and nothing was done with it. */
static bool take_data(struct model_stream *stream, const char *data, size_t n)
{
    struct model_text clean;
    struct json_error problem;
    const struct json *chunk = NULL;
    trim(&data, &n);
    if (n == strlen("[DONE]") && !memcmp(data, "[DONE]", n)) {
        model_answer_flush(&stream->answer);
        stream->answer.done = true;
        return true;
    }
    enum status status = model_text_clean(stream->answer.scratch, data, n, &clean);
    if (status == ST_OK)
        status = json_parse(stream->answer.scratch, clean.text, clean.n, &chunk, &problem);
    if (status == ST_OK && json_type(chunk) != JSON_OBJECT)
        fail(stream, MODEL_GARBLED);
    else if (status == ST_OK)
        (void)model_answer_take(&stream->answer, chunk, &clean);
    else if (status != ST_INVALID)
        fail(stream, MODEL_NO_MEMORY);
    arena_reset(stream->answer.scratch);
    return status != ST_INVALID;
}

/* A data line. Most events have one, which is read where it stands; what is no JSON by itself waits for more lines. */
static void take_data_line(struct model_stream *stream, const char *value, size_t n)
{
    struct run *data = &stream->data;
    if (!data->len && (!n || take_data(stream, value, n)))
        return;
    if (data->len + n >= LINE_MAX) {
        fail(stream, MODEL_GARBLED);
        return;
    }
    if ((data->len && !run_add(data, "\n", 1)) || !run_add(data, value, n))
        fail(stream, MODEL_NO_MEMORY);
}

/* The end of an event. */
static void end_event(struct model_stream *stream)
{
    if (stream->data.len && !take_data(stream, stream->data.data, stream->data.len) && !stream->error_event)
        fail(stream, MODEL_GARBLED);
    if (stream->error_event)
        fail(stream, MODEL_REPORTED);
    stream->error_event = false;
    run_empty(&stream->data);
}

/* Whether a line is the field of that name; *value is what stands behind it. */
static bool is_field(const char *line, size_t n, const char *name, const char **value, size_t *value_len)
{
    size_t len = strlen(name);
    if (n < len || memcmp(line, name, len) != 0 || (n > len && line[len] != ':'))
        return false;
    if (n > len)
        len++;
    if (n > len && line[len] == ' ')
        len++;
    *value = line + len;
    *value_len = n - len;
    return true;
}

static void take_line(struct model_stream *stream, const char *line, size_t n)
{
    const char *value;
    size_t len;
    if (!n)
        end_event(stream);
    else if (is_field(line, n, "data", &value, &len))
        take_data_line(stream, value, len);
    else if (is_field(line, n, "event", &value, &len))
        stream->error_event = len == strlen("error") && !memcmp(value, "error", len);
    else if (*line != ':' && !is_field(line, n, "id", &value, &len) && !is_field(line, n, "retry", &value, &len))
        stream->unknown_line = true;
}

/* Bytes before the first CR or LF; n when there is none. */
static size_t line_length(const char *bytes, size_t n)
{
    const char *newline = memchr(bytes, '\n', n);
    if (newline)
        n = (size_t)(newline - bytes);
    const char *cr = memchr(bytes, '\r', n);
    return cr ? (size_t)(cr - bytes) : n;
}

/* Notes the piece of a line; false: it is too long. */
static bool hold_line(struct model_stream *stream, const char *bytes, size_t n)
{
    if (stream->line.len + n > LINE_MAX)
        fail(stream, MODEL_GARBLED);
    else if (!run_add(&stream->line, bytes, n))
        fail(stream, MODEL_NO_MEMORY);
    return wants_more(stream);
}

static void feed_lines(struct model_stream *stream, const char *bytes, size_t n)
{
    const char *end = bytes + n;
    while (bytes < end && wants_more(stream) && !stream->answer.done) {
        if (stream->skip_newline && *bytes == '\n')
            bytes++;
        stream->skip_newline = false;
        size_t len = line_length(bytes, (size_t)(end - bytes));
        if (bytes + len == end) {
            if (len)
                (void)hold_line(stream, bytes, len);
            return;
        }
        stream->skip_newline = bytes[len] == '\r';
        if (len > LINE_MAX) {
            fail(stream, MODEL_GARBLED);
        } else if (!stream->line.len) {
            take_line(stream, bytes, len);
        } else if (hold_line(stream, bytes, len)) {
            take_line(stream, stream->line.data, stream->line.len);
            run_empty(&stream->line);
        }
        bytes += len + 1;
    }
}

/* --- one JSON object --- */

static void feed_object(struct model_stream *stream, const char *bytes, size_t n)
{
    if (n > stream->answer.max_bytes + ENVELOPE_MAX - stream->data.len)
        fail(stream, MODEL_TOO_LONG);
    else if (!run_add(&stream->data, bytes, n))
        fail(stream, MODEL_NO_MEMORY);
}

/* The answer of a server that does not stream; an array around it is looked through. */
static void take_object(struct model_stream *stream, const struct json *object, const struct model_text *clean)
{
    if (json_type(object) == JSON_ARRAY && json_size(object))
        object = json_element(object, 0);
    if (json_type(object) != JSON_OBJECT ||
        (!model_answer_take(&stream->answer, object, clean) && !stream->answer.failure)) {
        fail(stream, MODEL_GARBLED);
        return;
    }
    model_answer_flush(&stream->answer);
    stream->answer.done = !stream->answer.failure;
}

static void end_object(struct model_stream *stream, bool whole)
{
    const struct run *data = &stream->data;
    struct model_text clean;
    struct json_error problem;
    const struct json *object;
    /* Cleaning makes it three times as long at most, and the text of each value stands there once more. */
    struct arena *arena = arena_new(data->len * 8 + ENVELOPE_MAX);
    enum status status = arena ? model_text_clean(arena, data->data, data->len, &clean) : ST_UNAVAILABLE;
    if (status == ST_OK)
        status = json_parse(arena, clean.text, clean.n, &object, &problem);
    if (status == ST_OK)
        take_object(stream, object, &clean);
    else if (status == ST_UNAVAILABLE)
        fail(stream, MODEL_NO_MEMORY);
    else if (whole)
        fail(stream, MODEL_GARBLED);
    arena_reset(stream->answer.scratch);
    arena_free(arena);
}

/* --- the whole --- */

/* Tells by its first character what the body is; content types are not to be relied on. *bytes then begins there. */
static void find_kind(struct model_stream *stream, const char **bytes, size_t *n)
{
    /* White space and the bytes of a byte order mark. */
    while (*n && **bytes && strchr(SPACE "\xEF\xBB\xBF", **bytes)) {
        (*bytes)++;
        (*n)--;
    }
    if (!*n)
        return;
    stream->body = **bytes == '{' || **bytes == '[' ? BODY_JSON : BODY_EVENTS;
    if (**bytes == '<')
        fail(stream, MODEL_GARBLED);
}

bool model_stream_feed(struct model_stream *stream, const char *bytes, size_t n)
{
    if (stream->body == BODY_UNKNOWN && wants_more(stream))
        find_kind(stream, &bytes, &n);
    if (wants_more(stream) && stream->body == BODY_JSON)
        feed_object(stream, bytes, n);
    else if (wants_more(stream) && stream->body == BODY_EVENTS)
        feed_lines(stream, bytes, n);
    return wants_more(stream);
}

void model_stream_finish(struct model_stream *stream, bool whole)
{
    if (!wants_more(stream) || stream->answer.done)
        return;
    if (stream->body == BODY_JSON) {
        end_object(stream, whole);
        return;
    }
    /* The last line and the last event may lack their ends; what is cut in the middle is no JSON and is left out. */
    if (stream->line.len && (whole || !memcmp(stream->line.data, "data", stream->line.len < 4 ? stream->line.len : 4)))
        take_line(stream, stream->line.data, stream->line.len);
    if (wants_more(stream) && stream->data.len)
        (void)take_data(stream, stream->data.data, stream->data.len);
    if (wants_more(stream) && stream->error_event)
        end_event(stream);
    model_answer_flush(&stream->answer);
    if (!stream->answer.begun && !stream->answer.finish_reason && !stream->answer.done && stream->unknown_line)
        fail(stream, MODEL_GARBLED);
}

void model_stream_stop(struct model_stream *stream)
{
    stream->answer.stopped = true;
}

bool model_stream_has_begun(const struct model_stream *stream)
{
    return stream->answer.begun;
}

bool model_stream_is_complete(const struct model_stream *stream)
{
    return model_answer_is_complete(&stream->answer);
}

bool model_stream_is_done(const struct model_stream *stream)
{
    return stream->answer.done && model_answer_is_complete(&stream->answer);
}

enum model_failure model_stream_result(const struct model_stream *stream, struct arena *arena, struct upstream_end *end)
{
    return model_answer_result(&stream->answer, arena, end);
}

const char *model_stream_tools(const struct model_stream *stream, struct arena *arena)
{
    return model_tools_json(&stream->answer.tools, arena);
}
