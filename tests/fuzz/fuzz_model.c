/*
 * Fuzzing the reader of models' answers: the first byte says in pieces of how many bytes the rest comes. However it is
 * cut, the same is told: valid UTF-8, within the bound, and an answer that is either complete or failed or just not
 * over.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "relay/model_stream.h"
#include "relay/upstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP        ((size_t)512 * 1024 * 1024)
#define ANSWER_MAX 4096

/* All that was told, in its order. */
struct told {
    struct arena *arena; /* to parse in */
    size_t text;
    size_t len;
    char log[64 * 1024];
    enum model_failure failure;
    bool complete;
};

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* Each with its kind before it: reading in pieces cuts no event in two. */
static void note(struct told *told, char kind, const char *text, size_t n)
{
    size_t room = sizeof(told->log) - told->len;
    demand(n > 0 && utf8_valid(text, n));
    if (room < n + 1)
        return;
    told->log[told->len] = kind;
    memcpy(told->log + told->len + 1, text, n);
    told->len += n + 1;
}

static void on_token(void *owner, const char *text, size_t n)
{
    struct told *told = owner;
    told->text += n;
    note(told, 't', text, n);
}

static void on_reasoning(void *owner, const char *text, size_t n)
{
    struct told *told = owner;
    told->text += n;
    note(told, 'r', text, n);
}

static void check_json(struct arena *arena, const char *json, enum json_type type)
{
    const struct json *document;
    struct json_error error;
    demand(json_parse(arena, json, strlen(json), &document, &error) == ST_OK && json_type(document) == type);
}

static void on_tool_call(void *owner, const char *json)
{
    struct told *told = owner;
    check_json(told->arena, json, JSON_OBJECT);
    note(told, 'c', json, strlen(json));
}

static const struct upstream_events events = {.token = on_token, .reasoning = on_reasoning, .tool_call = on_tool_call};

static void read_all(const char *bytes, size_t n, size_t step, struct arena *scratch, struct told *told)
{
    struct upstream_end end;
    struct model_stream *stream = model_stream_new(&events, told, scratch, ANSWER_MAX);
    demand(stream != NULL);
    for (size_t at = 0; at < n; at += step)
        if (!model_stream_feed(stream, bytes + at, n - at < step ? n - at : step))
            break;
    model_stream_finish(stream, true);
    told->failure = model_stream_result(stream, told->arena, &end);
    told->complete = end.complete;
    demand(told->text <= ANSWER_MAX && arena_used(scratch) == 0);
    demand(!end.complete ||
           (!told->failure && end.finish_reason && utf8_valid(end.finish_reason, strlen(end.finish_reason))));
    demand(!end.model || utf8_valid(end.model, strlen(end.model)));
    if (end.tool_calls)
        check_json(told->arena, end.tool_calls, JSON_ARRAY);
    model_stream_free(stream);
    arena_reset(told->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *scratch;
    static struct told whole, pieces;
    if (!scratch) {
        scratch = arena_new(CAP);
        whole.arena = arena_new(CAP);
        pieces.arena = arena_new(CAP);
        demand(scratch && whole.arena && pieces.arena);
    }
    if (!size)
        return 0;
    whole.text = whole.len = pieces.text = pieces.len = 0;
    const char *bytes = (const char *)data + 1;
    read_all(bytes, size - 1, size, scratch, &whole);
    read_all(bytes, size - 1, data[0] % 16 + (size_t)1, scratch, &pieces);
    demand(whole.len == pieces.len && !memcmp(whole.log, pieces.log, whole.len));
    demand(whole.failure == pieces.failure && whole.complete == pieces.complete);
    return 0;
}
