/* The log of a turn: whoever asks from whatever id that was given out gets what lies behind it, once and in order. */
#include "relay/turn_log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "failmalloc.h"
#include "unit.h"

void suite_turn_log(void);

static struct arena *arena;
static struct turn_log turn;

static int open_arena(void)
{
    arena = arena_new((size_t)64 << 20);
    return arena ? 0 : -1;
}

static int close_arena(void)
{
    arena_free(arena);
    return 0;
}

static void begin(void)
{
    arena_reset(arena);
    turn_log_fini(&turn);
}

static void add_text(enum turn_event type, const char *text)
{
    CU_ASSERT_EQUAL(turn_log_add_text(&turn, type, text, strlen(text)), ST_OK);
}

static void add_event(enum turn_event type, const char *json)
{
    CU_ASSERT_EQUAL(turn_log_add_event(&turn, type, json), ST_OK);
}

static const char *sse(long after, long upto, size_t max)
{
    struct buf out;
    buf_init(&out, arena);
    turn_log_write_sse(&turn, 0, after, upto, max, &out);
    return buf_text(&out);
}

static const char *rows(long after, long cut, long upto)
{
    struct buf out;
    buf_init(&out, arena);
    turn_log_write_rows(&turn, after, cut, upto, &out);
    return buf_text(&out);
}

static void turn_log_counts_text_in_bytes_and_events_as_one(void)
{
    begin();
    add_event(TURN_SESSION, "{\"type\":\"session\"}");
    CU_ASSERT_EQUAL(turn.end, 1);
    add_text(TURN_TOKEN, "caf\xc3\xa9");
    CU_ASSERT_EQUAL(turn.end, 6);
    add_text(TURN_REASONING, "ab");
    CU_ASSERT_EQUAL(turn.end, 8);
    add_event(TURN_DONE, "{\"type\":\"done\"}");
    CU_ASSERT_EQUAL(turn.end, 9);
    CU_ASSERT_STRING_EQUAL(sse(0, 9, 1000), "id: 1\ndata: {\"type\":\"session\"}\n\n"
                                            "id: 6\ndata: {\"type\":\"token\",\"content\":\"caf\xc3\xa9\"}\n\n"
                                            "id: 8\ndata: {\"type\":\"reasoning\",\"content\":\"ab\"}\n\n"
                                            "id: 9\ndata: {\"type\":\"done\"}\n\n");
}

static void turn_log_joins_neighbours_and_cuts_them_at_ids_given_out(void)
{
    begin();
    add_text(TURN_TOKEN, "Hello");
    add_text(TURN_TOKEN, ", ");
    add_text(TURN_TOKEN, "world");
    CU_ASSERT_EQUAL(turn.segments, 1);
    CU_ASSERT_STRING_EQUAL(sse(0, 12, 1000), "id: 12\ndata: {\"type\":\"token\",\"content\":\"Hello, world\"}\n\n");
    CU_ASSERT_STRING_EQUAL(sse(5, 12, 1000), "id: 12\ndata: {\"type\":\"token\",\"content\":\", world\"}\n\n");
    CU_ASSERT_STRING_EQUAL(sse(5, 7, 1000), "id: 7\ndata: {\"type\":\"token\",\"content\":\", \"}\n\n");
    CU_ASSERT_STRING_EQUAL(sse(12, 12, 1000), "");
    CU_ASSERT_STRING_EQUAL(sse(99, 12, 1000), "");
    CU_ASSERT_STRING_EQUAL(sse(-5, 5, 1000), "id: 5\ndata: {\"type\":\"token\",\"content\":\"Hello\"}\n\n");
}

static void turn_log_cuts_no_character(void)
{
    begin();
    add_text(TURN_TOKEN, "\xf0\x9f\x98\x80\xc3\xa9!");
    CU_ASSERT_STRING_EQUAL(sse(0, 7, 1), "id: 4\ndata: {\"type\":\"token\",\"content\":\"\xf0\x9f\x98\x80\"}\n\n");
    CU_ASSERT_STRING_EQUAL(sse(0, 7, 5), "id: 4\ndata: {\"type\":\"token\",\"content\":\"\xf0\x9f\x98\x80\"}\n\n");
    CU_ASSERT_STRING_EQUAL(sse(0, 7, 6),
                           "id: 6\ndata: {\"type\":\"token\",\"content\":\"\xf0\x9f\x98\x80\xc3\xa9\"}\n\n");
    /* An id that nobody gave out, inside a character. */
    for (long after = 1; after < 4; after++)
        CU_ASSERT_STRING_EQUAL(sse(after, 7, 100), "id: 7\ndata: {\"type\":\"token\",\"content\":\"\xc3\xa9!\"}\n\n");
}

static void turn_log_escapes_what_would_end_a_line(void)
{
    begin();
    add_text(TURN_TOKEN, "a\nid: 9\r\n\n\"");
    CU_ASSERT_STRING_EQUAL(sse(0, turn.end, 100),
                           "id: 11\ndata: {\"type\":\"token\",\"content\":\"a\\nid: 9\\r\\n\\n\\\"\"}\n\n");
}

static void turn_log_writes_rows_again_as_they_were(void)
{
    begin();
    add_event(TURN_SESSION, "{\"type\":\"session\"}");
    add_text(TURN_TOKEN, "one");
    const char *first = rows(0, 0, 4);
    CU_ASSERT_STRING_EQUAL(first, "[{\"id\":1,\"type\":\"session\",\"data\":{\"type\":\"session\"}},"
                                  "{\"id\":4,\"type\":\"token\",\"data\":{\"type\":\"token\",\"content\":\"one\"}}]");
    add_text(TURN_TOKEN, "two");
    CU_ASSERT_STRING_EQUAL(rows(0, 0, 4), first);
    CU_ASSERT_STRING_EQUAL(rows(1, 4, 7),
                           "[{\"id\":4,\"type\":\"token\",\"data\":{\"type\":\"token\",\"content\":\"one\"}},"
                           "{\"id\":7,\"type\":\"token\",\"data\":{\"type\":\"token\",\"content\":\"two\"}}]");
    CU_ASSERT_STRING_EQUAL(rows(7, 7, 7), "[]");
}

static void turn_log_says_how_far_a_part_reaches(void)
{
    begin();
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 0, 10, 10), 0);
    add_event(TURN_SESSION, "{}");
    add_text(TURN_TOKEN, "0123456\u20ac");
    add_text(TURN_REASONING, "ab");
    add_event(TURN_DONE, "{}");
    CU_ASSERT_EQUAL(turn.end, 14);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 0, 10, 100), 14);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 0, 1, 100), 1);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 0, 2, 100), 11);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 1, 2, 100), 13);
    /* Inside a text, but never inside a character. */
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 1, 10, 4), 5);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 1, 10, 9), 8);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 8, 10, 1), 11);
    /* An event that is longer than allowed is one all the same. */
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 13, 10, 1), 14);
    CU_ASSERT_EQUAL(turn_log_reach(&turn, 14, 10, 1), 14);
}

static void turn_log_gives_the_text_of_a_type(void)
{
    struct buf out;
    begin();
    add_text(TURN_REASONING, "hm");
    add_text(TURN_TOKEN, "a");
    add_event(TURN_TOOL_CALL, "{}");
    add_text(TURN_TOKEN, "b");
    buf_init(&out, arena);
    turn_log_text(&turn, TURN_TOKEN, &out);
    CU_ASSERT_STRING_EQUAL(buf_text(&out), "ab");
    buf_init(&out, arena);
    turn_log_text(&turn, TURN_REASONING, &out);
    CU_ASSERT_STRING_EQUAL(buf_text(&out), "hm");
}

static void turn_log_knows_its_first_and_last_words(void)
{
    size_t n = 0;
    begin();
    CU_ASSERT_PTR_NULL(turn_log_first_words(&turn, &n));
    CU_ASSERT_PTR_NULL(turn_log_last_words(&turn, &n));
    add_event(TURN_SESSION, "{\"s\":1}");
    add_text(TURN_TOKEN, "x");
    CU_ASSERT_PTR_NULL(turn_log_last_words(&turn, &n));
    add_event(TURN_ERROR, "{\"e\":1}");
    CU_ASSERT_NSTRING_EQUAL(turn_log_last_words(&turn, &n), "{\"e\":1}", 7);
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT_NSTRING_EQUAL(turn_log_first_words(&turn, &n), "{\"s\":1}", 7);
}

static void turn_log_names_events_both_ways(void)
{
    for (enum turn_event type = TURN_SESSION; type <= TURN_ERROR; type++)
        CU_ASSERT_EQUAL(turn_event_parse(turn_event_name(type)), type);
    CU_ASSERT_EQUAL(turn_event_parse("from the future"), TURN_STATUS);
}

static void turn_log_stays_as_it_was_when_memory_is_out(void)
{
    begin();
    add_text(TURN_TOKEN, "kept");
    char text[1000];
    memset(text, 'x', sizeof(text));
    failmalloc_after(1);
    CU_ASSERT_EQUAL(turn_log_add_text(&turn, TURN_REASONING, text, sizeof(text)), ST_UNAVAILABLE);
    CU_ASSERT(failmalloc_happened());
    failmalloc_after(0);
    CU_ASSERT_EQUAL(turn.end, 4);
    CU_ASSERT_STRING_EQUAL(sse(0, turn.end, 100), "id: 4\ndata: {\"type\":\"token\",\"content\":\"kept\"}\n\n");
    add_text(TURN_TOKEN, "!");
    CU_ASSERT_EQUAL(turn.end, 5);
}

/* --- any way of reading gives the same --- */

/* What a viewer has pieced together: text of both kinds between marks, each event as its JSON. */
struct seen {
    struct buf all;
    enum turn_event last;
    long id;
};

static uint32_t seed = 1;

static unsigned pick(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void hear(struct seen *seen, const char *name, const struct json *data, long id)
{
    enum turn_event type = turn_event_parse(name);
    CU_ASSERT(id > seen->id);
    if (type == TURN_TOKEN || type == TURN_REASONING) {
        size_t n;
        const char *text = json_string(json_member(data, "content"), &n);
        CU_ASSERT(n > 0 && utf8_valid(text, n));
        if (seen->last != type)
            buf_printf(&seen->all, "|%s:", name);
        buf_add(&seen->all, text, n);
    } else {
        buf_printf(&seen->all, "|%s", json_raw(arena, data));
    }
    seen->last = type;
    seen->id = id;
}

static const struct json *parse(const char *text, size_t n)
{
    struct json_error error;
    const struct json *value = NULL;
    CU_ASSERT_EQUAL_FATAL(json_parse(arena, text, n, &value, &error), ST_OK);
    return value;
}

static void hear_sse(struct seen *seen, const char *text)
{
    while (*text) {
        char *at;
        CU_ASSERT_NSTRING_EQUAL_FATAL(text, "id: ", 4);
        long id = strtol(text + 4, &at, 10);
        CU_ASSERT_NSTRING_EQUAL_FATAL(at, "\ndata: ", 7);
        const char *data = at + 7, *stop = strchr(data, '\n');
        CU_ASSERT_NSTRING_EQUAL_FATAL(stop, "\n\n", 2);
        const struct json *event = parse(data, (size_t)(stop - data));
        hear(seen, json_string(json_member(event, "type"), NULL), event, id);
        text = stop + 2;
    }
}

static void hear_rows(struct seen *seen, const char *text)
{
    const struct json *list = parse(text, strlen(text));
    for (size_t i = 0; i < json_size(list); i++) {
        const struct json *row = json_element(list, i);
        hear(seen, json_string(json_member(row, "type"), NULL), json_member(row, "data"),
             (long)json_int(json_member(row, "id")));
    }
}

static void grow(unsigned *calls)
{
    static const char *const texts[] = {"a", "word ", "\xc3\xa9\xc3\xa8", "\xf0\x9f\x98\x80", "\n\"\\", "\xe2\x82\xac"};
    unsigned what = pick(10);
    if (what < 6)
        add_text(TURN_TOKEN, texts[pick(6)]);
    else if (what < 9)
        add_text(TURN_REASONING, texts[pick(6)]);
    else {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"type\":\"tool_call\",\"index\":%u}", (*calls)++);
        add_event(TURN_TOOL_CALL, json);
    }
}

static void expect(struct seen *seen, struct seen *whole)
{
    CU_ASSERT_EQUAL(seen->id, whole->id);
    CU_ASSERT_STRING_EQUAL(buf_text(&seen->all), buf_text(&whole->all));
}

/* A viewer that watches it grow and comes back now and then, one that reads rows as they are saved, one that comes
 * last. */
static void read_in_all_ways(void)
{
    struct seen viewer = {.last = TURN_STATUS}, store = {.last = TURN_STATUS}, late = {.last = TURN_STATUS};
    unsigned calls = 0;
    long sent = 0;
    begin();
    buf_init(&viewer.all, arena);
    buf_init(&store.all, arena);
    buf_init(&late.all, arena);
    for (unsigned step = 0; step < 60; step++) {
        grow(&calls);
        if (pick(2))
            hear_sse(&viewer, sse(viewer.id, turn.end, 1 + pick(20)));
        if (pick(5) == 0) {
            hear_rows(&store, rows(store.id, sent, turn.end));
            sent = turn.end;
        } else if (pick(3) == 0) {
            sent = turn.end;
        }
    }
    while (viewer.id < turn.end)
        hear_sse(&viewer, sse(viewer.id, turn.end, 1 + pick(20)));
    hear_rows(&store, rows(store.id, sent, turn.end));
    hear_sse(&late, sse(0, turn.end, SIZE_MAX));
    expect(&viewer, &late);
    expect(&store, &late);
}

static void turn_log_reads_the_same_in_any_way(void)
{
    for (unsigned round = 0; round < 200; round++)
        read_in_all_ways();
    turn_log_fini(&turn);
}

void suite_turn_log(void)
{
    CU_pSuite suite = CU_add_suite("turn_log", open_arena, close_arena);
    UNIT_TEST(suite, turn_log_counts_text_in_bytes_and_events_as_one);
    UNIT_TEST(suite, turn_log_joins_neighbours_and_cuts_them_at_ids_given_out);
    UNIT_TEST(suite, turn_log_cuts_no_character);
    UNIT_TEST(suite, turn_log_escapes_what_would_end_a_line);
    UNIT_TEST(suite, turn_log_writes_rows_again_as_they_were);
    UNIT_TEST(suite, turn_log_says_how_far_a_part_reaches);
    UNIT_TEST(suite, turn_log_gives_the_text_of_a_type);
    UNIT_TEST(suite, turn_log_knows_its_first_and_last_words);
    UNIT_TEST(suite, turn_log_names_events_both_ways);
    UNIT_TEST(suite, turn_log_stays_as_it_was_when_memory_is_out);
    UNIT_TEST(suite, turn_log_reads_the_same_in_any_way);
}
