/*
 * The events of a turn as one growing log.
 *
 * What must stay true: segments stand in the order of their ids; a text segment covers the ids (end - len, end], any
 * other its end alone; text is cut only where a character begins, so that every piece is valid UTF-8.
 */
#include "relay/turn_log.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_writer.h"

#define TEXT_FIRST     256
#define SEGMENTS_FIRST 4

static const char *const event_names[] = {
    [TURN_SESSION] = "session",     [TURN_STATUS] = "status", [TURN_TOKEN] = "token", [TURN_REASONING] = "reasoning",
    [TURN_TOOL_CALL] = "tool_call", [TURN_DONE] = "done",     [TURN_ERROR] = "error",
};

const char *turn_event_name(enum turn_event type)
{
    return event_names[type];
}

enum turn_event turn_event_parse(const char *name)
{
    for (unsigned i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++)
        if (strcmp(name, event_names[i]) == 0)
            return (enum turn_event)i;
    return TURN_STATUS;
}

static bool is_text(enum turn_event type)
{
    return type == TURN_TOKEN || type == TURN_REASONING;
}

void turn_log_init(struct turn_log *log)
{
    *log = (struct turn_log){0};
}

void turn_log_fini(struct turn_log *log)
{
    if (log->text)
        explicit_bzero(log->text, log->text_len);
    free(log->text);
    free(log->segment);
    turn_log_init(log);
}

/* --- growing --- */

static bool reserve_text(struct turn_log *log, size_t n)
{
    if (n <= log->text_cap - log->text_len)
        return true;
    size_t cap = log->text_cap ? log->text_cap * 2 : TEXT_FIRST;
    if (cap - log->text_len < n)
        cap = log->text_len + n;
    char *text = realloc(log->text, cap);
    if (!text)
        return false;
    log->text = text;
    log->text_cap = cap;
    return true;
}

static bool reserve_segment(struct turn_log *log)
{
    if (log->segments < log->segments_cap)
        return true;
    unsigned cap = log->segments_cap ? log->segments_cap * 2 : SEGMENTS_FIRST;
    struct turn_segment *segment = realloc(log->segment, cap * sizeof(*segment));
    if (!segment)
        return false;
    log->segment = segment;
    log->segments_cap = cap;
    return true;
}

/* Puts bytes behind all others, into the last segment or one of their own. */
static enum status add(struct turn_log *log, enum turn_event type, const char *text, size_t n, bool join)
{
    if (!reserve_text(log, n) || (!join && !reserve_segment(log)))
        return ST_UNAVAILABLE;
    memcpy(log->text + log->text_len, text, n);
    if (!join)
        log->segment[log->segments++] = (struct turn_segment){.type = type, .from = log->text_len};
    log->text_len += n;
    log->end += is_text(type) ? (long)n : 1;
    struct turn_segment *last = &log->segment[log->segments - 1];
    last->len += n;
    last->end = log->end;
    return ST_OK;
}

enum status turn_log_add_text(struct turn_log *log, enum turn_event type, const char *text, size_t n)
{
    return add(log, type, text, n, log->segments && log->segment[log->segments - 1].type == type);
}

enum status turn_log_add_event(struct turn_log *log, enum turn_event type, const char *json)
{
    return add(log, type, json, strlen(json), false);
}

/* --- reading --- */

/* The first segment that lies behind the id, wholly or in part; the number of segments when none does. */
static unsigned find(const struct turn_log *log, long after)
{
    unsigned low = 0, high = log->segments;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (log->segment[middle].end > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool is_inside_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* What the segment has in (after, upto], at most max bytes but a character at least. */
static struct turn_piece cut(const struct turn_log *log, const struct turn_segment *segment, long after, long upto,
                             size_t max)
{
    const char *text = log->text + segment->from;
    struct turn_piece piece = {.type = segment->type, .text = text, .len = segment->len, .end = segment->end};
    if (!is_text(segment->type))
        return piece;
    long start = segment->end - (long)segment->len;
    size_t from = after > start ? (size_t)(after - start) : 0;
    size_t to = upto < segment->end ? (size_t)(upto - start) : segment->len;
    while (from < to && is_inside_character(text[from]))
        from++;
    if (to - from > max) {
        to = from + max;
        while (to > from && is_inside_character(text[to]))
            to--;
        if (to == from)
            to++;
        while (to < segment->len && is_inside_character(text[to]))
            to++;
    }
    piece.text = text + from;
    piece.len = to - from;
    piece.end = start + (long)to;
    return piece;
}

static void write_data(struct json_writer *json, const struct turn_piece *piece)
{
    if (!is_text(piece->type)) {
        buf_add(json->out, piece->text, piece->len);
        json->comma = true;
        return;
    }
    json_begin_object(json);
    json_put_text(json, "type", event_names[piece->type]);
    json_write_key(json, "content");
    json_write_string(json, piece->text, piece->len);
    json_end_object(json);
}

/* "id: n\ndata: ", by hand: this is the hottest line of a stream. */
static void write_id(struct buf *out, long id)
{
    char text[32];
    char *at = text + sizeof(text);
    do
        *--at = (char)('0' + id % 10);
    while (id /= 10);
    buf_add(out, "id: ", 4);
    buf_add(out, at, (size_t)(text + sizeof(text) - at));
    buf_add(out, "\ndata: ", 7);
}

void turn_log_text(const struct turn_log *log, enum turn_event type, struct buf *out)
{
    for (unsigned i = 0; i < log->segments; i++)
        if (log->segment[i].type == type)
            buf_add(out, log->text + log->segment[i].from, log->segment[i].len);
}

long turn_log_write(const struct turn_log *log, long after, long upto, size_t max_bytes, turn_log_writer *writer,
                    const void *how, struct buf *out)
{
    size_t left = max_bytes;
    if (after < 0)
        after = 0;
    for (unsigned i = find(log, after); i < log->segments && after < upto && left; i++) {
        struct turn_piece piece = cut(log, &log->segment[i], after, upto, left);
        after = piece.end;
        if (!piece.len)
            continue;
        if (!writer(&piece, how, out)) {
            /* However much of it there is. */
            after = log->segment[i].end < upto ? log->segment[i].end : upto;
            continue;
        }
        /* A piece that ends before its segment used up what may be given, but for part of a character. */
        left = piece.end == log->segment[i].end && piece.len < left ? left - piece.len : 0;
    }
    return after;
}

static bool write_event(const struct turn_piece *piece, const void *how, struct buf *out)
{
    struct json_writer json;
    const long *id_base = how;
    json_writer_init(&json, out);
    write_id(out, *id_base + piece->end);
    write_data(&json, piece);
    buf_add(out, "\n\n", 2);
    return true;
}

long turn_log_write_sse(const struct turn_log *log, long id_base, long after, long upto, size_t max_bytes,
                        struct buf *out)
{
    return turn_log_write(log, after, upto, max_bytes, write_event, &id_base, out);
}

static void write_rows(const struct turn_log *log, long after, long upto, struct json_writer *json)
{
    for (unsigned i = find(log, after); i < log->segments && after < upto; i++) {
        struct turn_piece piece = cut(log, &log->segment[i], after, upto, SIZE_MAX);
        after = piece.end;
        json_begin_object(json);
        json_put_int(json, "id", piece.end);
        json_put_text(json, "type", event_names[piece.type]);
        json_write_key(json, "data");
        write_data(json, &piece);
        json_end_object(json);
    }
}

void turn_log_write_rows(const struct turn_log *log, long after, long cut_at, long upto, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_begin_array(&json);
    if (cut_at > after && cut_at < upto) {
        write_rows(log, after, cut_at, &json);
        after = cut_at;
    }
    write_rows(log, after, upto, &json);
    json_end_array(&json);
}

long turn_log_reach(const struct turn_log *log, long after, unsigned max_events, size_t max_bytes)
{
    size_t left = max_bytes;
    for (unsigned i = find(log, after); i < log->segments && max_events-- && left; i++) {
        struct turn_piece piece = cut(log, &log->segment[i], after, log->end, left);
        after = piece.end;
        left = piece.end == log->segment[i].end && piece.len < left ? left - piece.len : 0;
    }
    return after;
}

static const char *words(const struct turn_log *log, unsigned index, size_t *n)
{
    *n = log->segment[index].len;
    return log->text + log->segment[index].from;
}

const char *turn_log_last_words(const struct turn_log *log, size_t *n)
{
    enum turn_event type = log->segments ? log->segment[log->segments - 1].type : TURN_STATUS;
    return type == TURN_DONE || type == TURN_ERROR ? words(log, log->segments - 1, n) : NULL;
}

const char *turn_log_first_words(const struct turn_log *log, size_t *n)
{
    return log->segments && log->segment[0].type == TURN_SESSION ? words(log, 0, n) : NULL;
}
