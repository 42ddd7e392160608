/*
 * The built-in model.
 *
 * What must stay true: the words together are the text, byte for byte; however long it is, the answer takes about
 * LONGEST_MS at most; an event may free the echo.
 */
#include "relay/echo.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "relay/loop.h"
#include "relay/upstream.h"

#define TICK_MS    20    /* a word */
#define LONGEST_MS 20000 /* of a long text several words come in a tick */
#define WORD_MAX   64    /* bytes after which a word without an end is cut */
#define ROOM       ((size_t)1024 * 1024)

struct echo {
    struct loop *loop;
    struct loop_timer timer;
    const struct upstream_events *events;
    void *owner;
    size_t words; /* in a tick */
    size_t at, len;
    char text[];
};

/* A message's content: a text, or parts of which some are text. */
static void add_content(const struct json *content, struct buf *out)
{
    size_t n;
    if (json_type(content) == JSON_STRING) {
        const char *text = json_string(content, &n);
        buf_add(out, text, n);
    }
    for (size_t i = 0; json_type(content) == JSON_ARRAY && i < json_size(content); i++) {
        const struct json *text = json_member(json_element(content, i), "text");
        if (text)
            add_content(text, out);
    }
}

/* What the user said last, empty where nobody can tell. */
static void find_text(const char *messages, struct arena *arena, struct buf *out)
{
    const struct json *list;
    struct json_error error;
    if (json_parse(arena, messages, strlen(messages), &list, &error) != ST_OK || json_type(list) != JSON_ARRAY)
        return;
    for (size_t i = json_size(list); i--;) {
        const struct json *role = json_member(json_element(list, i), "role");
        const struct json *content = json_member(json_element(list, i), "content");
        if (!role || !content || json_type(role) != JSON_STRING || strcmp(json_string(role, NULL), "user") != 0)
            continue;
        add_content(content, out);
        return;
    }
}

/* Bytes of the next word: its letters and the space behind them. */
static size_t word_length(const char *text, size_t n)
{
    size_t len = 0;
    while (len < n && len < WORD_MAX && !strchr(" \t\r\n", text[len]))
        len += utf8_sequence(text + len, n - len);
    while (len < n && strchr(" \t\r\n", text[len]))
        len++;
    return len;
}

static size_t count_words(const char *text, size_t n)
{
    size_t count = 0;
    for (size_t at = 0; at < n; count++)
        at += word_length(text + at, n - at);
    return count;
}

static void on_tick(struct loop_timer *timer)
{
    struct echo *echo = (struct echo *)((char *)timer - offsetof(struct echo, timer));
    if (echo->at == echo->len) {
        struct upstream_end end = {.complete = true, .finish_reason = "stop", .model = "echo"};
        echo->events->end(echo->owner, &end);
        return;
    }
    size_t from = echo->at;
    for (size_t i = 0; i < echo->words && echo->at < echo->len; i++)
        echo->at += word_length(echo->text + echo->at, echo->len - echo->at);
    /* Set first: the event may free the echo. The place in the heap that it has just left is free, so it cannot fail.
     */
    (void)loop_set_timer(echo->loop, &echo->timer, clock_monotonic_ms() + TICK_MS);
    echo->events->token(echo->owner, echo->text + from, echo->at - from);
}

static struct echo *echo_new(const char *text, size_t n)
{
    struct echo *echo = calloc(1, sizeof(*echo) + n);
    if (!echo)
        return NULL;
    if (n)
        memcpy(echo->text, text, n);
    echo->len = n;
    echo->words = count_words(text, n) / (LONGEST_MS / TICK_MS) + 1;
    return echo;
}

struct echo *echo_start(struct loop *loop, const char *messages, const struct upstream_events *events, void *owner)
{
    struct buf text;
    struct arena *arena = arena_new(strlen(messages) * 8 + ROOM);
    if (!arena)
        return NULL;
    buf_init(&text, arena);
    find_text(messages, arena, &text);
    struct echo *echo = text.failed ? NULL : echo_new(text.data, text.len);
    arena_free(arena);
    if (!echo)
        return NULL;
    echo->loop = loop;
    echo->timer.ring = on_tick;
    echo->events = events;
    echo->owner = owner;
    if (loop_set_timer(loop, &echo->timer, clock_monotonic_ms() + TICK_MS))
        return echo;
    free(echo);
    return NULL;
}

void echo_free(struct echo *echo)
{
    if (!echo)
        return;
    (void)loop_set_timer(echo->loop, &echo->timer, INT64_MAX);
    free(echo);
}
