/* A turn as frames: however a log is cut, the tokens together are the answer, and nothing else is said twice. */
#include "relay/frames.h"

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "unit.h"

void suite_frames(void);

static struct arena *arena;
static struct turn_log turn;
static const struct frames frames = {.thread = "thread-1"};

static int open_arena(void)
{
    arena = arena_new((size_t)64 << 20);
    return arena ? 0 : -1;
}

static int close_arena(void)
{
    turn_log_fini(&turn);
    arena_free(arena);
    return 0;
}

static void begin(void)
{
    arena_reset(arena);
    turn_log_fini(&turn);
}

static void add(enum turn_event type, const char *text)
{
    enum status status = type == TURN_TOKEN || type == TURN_REASONING
                             ? turn_log_add_text(&turn, type, text, strlen(text))
                             : turn_log_add_event(&turn, type, text);
    CU_ASSERT_EQUAL(status, ST_OK);
}

/* Reads on from *at, as a viewer does. */
static const char *read_on(long *at, long upto, size_t max, const struct frames *how)
{
    struct buf out;
    buf_init(&out, arena);
    *at = turn_log_write(&turn, *at, upto, max, frames_write, how, &out);
    return buf_text(&out);
}

static const char *read_all(void)
{
    long at = 0;
    return read_on(&at, turn.end, SIZE_MAX, &frames);
}

static void frames_say_what_front_ends_of_threads_read(void)
{
    begin();
    add(TURN_SESSION, "{\"type\":\"session\",\"session_id\":\"s\"}");
    add(TURN_STATUS, "{\"type\":\"status\",\"content\":\"Searching...\"}");
    add(TURN_REASONING, "Hm.");
    add(TURN_TOKEN, "To");
    add(TURN_TOOL_CALL, "{\"type\":\"tool_call\",\"index\":0,\"id\":\"c\",\"name\":\"look_up\",\"arguments\":\"\"}");
    add(TURN_TOOL_CALL, "{\"type\":\"tool_call\",\"index\":0,\"arguments\":\"{}\"}");
    add(TURN_TOKEN, " fix\n\"it\"");
    add(TURN_DONE, "{\"type\":\"done\",\"session_id\":\"s\"}");
    CU_ASSERT_STRING_EQUAL(read_all(), "data: {\"type\": \"status\", \"content\": \"Searching...\"}\n\n"
                                       "data: {\"type\": \"token\", \"content\": \"To\"}\n\n"
                                       "data: {\"type\": \"status\", \"content\": \"Using look_up...\"}\n\n"
                                       "data: {\"type\": \"token\", \"content\": \" fix\\n\\\"it\\\"\"}\n\n"
                                       "data: {\"type\": \"done\", \"thread_id\": \"thread-1\"}\n\n");
}

static void frames_name_the_thread_twice_where_that_is_wanted(void)
{
    const struct frames twice = {.thread = "user-\"1\"", .twice = true};
    long at = 0;
    begin();
    add(TURN_DONE, "{\"type\":\"done\"}");
    CU_ASSERT_STRING_EQUAL(
        read_on(&at, 1, 1000, &twice),
        "data: {\"type\": \"done\", \"thread_id\": \"user-\\\"1\\\"\", \"threadId\": \"user-\\\"1\\\"\"}\n\n");
}

static void frames_tell_of_failures(void)
{
    begin();
    add(TURN_ERROR, "{\"type\":\"error\",\"code\":\"model_timeout\",\"message\":\"Too slow.\",\"turn_id\":\"t\"}");
    CU_ASSERT_STRING_EQUAL(read_all(),
                           "data: {\"type\": \"error\", \"content\": \"Too slow.\", \"code\": \"model_timeout\"}\n\n");
    begin();
    add(TURN_ERROR, "{}");
    CU_ASSERT_STRING_EQUAL(read_all(), "data: {\"type\": \"error\", \"content\": \"The answer failed.\"}\n\n");
    begin();
    add(TURN_ERROR, "not JSON");
    CU_ASSERT_STRING_EQUAL(read_all(), "data: {\"type\": \"error\", \"content\": \"The answer failed.\"}\n\n");
}

static void frames_pass_over_what_they_leave_out_in_one_go(void)
{
    static char thoughts[100000];
    memset(thoughts, 't', sizeof(thoughts) - 1);
    long at = 0;
    begin();
    add(TURN_REASONING, thoughts);
    CU_ASSERT_STRING_EQUAL(read_on(&at, turn.end, 10, &frames), "");
    CU_ASSERT_EQUAL(at, turn.end);
    /* As far as a viewer may see, and no further. */
    at = 0;
    CU_ASSERT_STRING_EQUAL(read_on(&at, 50, 10, &frames), "");
    CU_ASSERT_EQUAL(at, 50);
    add(TURN_TOKEN, "x");
    at = 0;
    CU_ASSERT_STRING_EQUAL(read_on(&at, turn.end, 10, &frames), "data: {\"type\": \"token\", \"content\": \"x\"}\n\n");
}

/* --- any way of reading gives the same --- */

static uint32_t seed = 1;

static unsigned pick(unsigned below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* Adds the text of token frames to out; every frame is one line of valid JSON. */
static void hear(struct buf *out, const char *text)
{
    while (*text) {
        struct json_error error;
        const struct json *frame = NULL;
        const char *stop = strchr(text, '\n');
        size_t n;
        CU_ASSERT_NSTRING_EQUAL_FATAL(text, "data: ", 6);
        CU_ASSERT_NSTRING_EQUAL_FATAL(stop, "\n\n", 2);
        CU_ASSERT_EQUAL_FATAL(json_parse(arena, text + 6, (size_t)(stop - text) - 6, &frame, &error), ST_OK);
        const char *content = json_string(json_member(frame, "content"), &n);
        CU_ASSERT(n > 0 && utf8_valid(content, n));
        if (strcmp(json_string(json_member(frame, "type"), NULL), "token") == 0)
            buf_add(out, content, n);
        else
            buf_printf(out, "|%s|", content);
        text = stop + 2;
    }
}

static void grow(struct buf *whole)
{
    static const char *const texts[] = {"a", "word ", "\xc3\xa9\xc3\xa8", "\xf0\x9f\x98\x80", "\n\"\\", "\xe2\x82\xac"};
    const char *text = texts[pick(6)];
    unsigned what = pick(10);
    if (what < 6) {
        add(TURN_TOKEN, text);
        buf_add_text(whole, text);
    } else if (what < 9) {
        add(TURN_REASONING, text);
    } else {
        add(TURN_TOOL_CALL, "{\"name\":\"f\"}");
        buf_add_text(whole, "|Using f...|");
    }
}

static void frames_lose_nothing_however_a_log_is_cut(void)
{
    for (unsigned round = 0; round < 200; round++) {
        struct buf whole, heard;
        long at = 0;
        begin();
        buf_init(&whole, arena);
        buf_init(&heard, arena);
        for (unsigned step = 0; step < 60; step++) {
            grow(&whole);
            if (pick(2))
                hear(&heard, read_on(&at, turn.end, 1 + pick(20), &frames));
        }
        for (unsigned steps = 0; at < turn.end && steps < 1000; steps++)
            hear(&heard, read_on(&at, turn.end, 1 + pick(20), &frames));
        CU_ASSERT_EQUAL(at, turn.end);
        CU_ASSERT_STRING_EQUAL(buf_text(&heard), buf_text(&whole));
    }
}

void suite_frames(void)
{
    CU_pSuite suite = CU_add_suite("frames", open_arena, close_arena);
    UNIT_TEST(suite, frames_say_what_front_ends_of_threads_read);
    UNIT_TEST(suite, frames_name_the_thread_twice_where_that_is_wanted);
    UNIT_TEST(suite, frames_tell_of_failures);
    UNIT_TEST(suite, frames_pass_over_what_they_leave_out_in_one_go);
    UNIT_TEST(suite, frames_lose_nothing_however_a_log_is_cut);
}
