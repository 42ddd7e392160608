/* Writing JSON: commas, escapes, and every text back as it was. */
#include "base/json_writer.h"

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "unit.h"

void suite_json_writer(void);

static struct arena *arena;
static struct buf out;
static struct json_writer writer;

static int make_arena(void)
{
    arena = arena_new(8 * 1024 * 1024);
    return arena ? 0 : 1;
}

static int drop_arena(void)
{
    arena_free(arena);
    return 0;
}

static void start(void)
{
    arena_reset(arena);
    buf_init(&out, arena);
    json_writer_init(&writer, &out);
}

static void json_writer_puts_commas_between_values_only(void)
{
    start();
    json_begin_object(&writer);
    json_put_text(&writer, "a", "x");
    json_write_key(&writer, "b");
    json_begin_array(&writer);
    json_write_int(&writer, 1);
    json_begin_object(&writer);
    json_end_object(&writer);
    json_begin_array(&writer);
    json_end_array(&writer);
    json_write_null(&writer);
    json_end_array(&writer);
    json_put_bool(&writer, "c", true);
    json_put_bool(&writer, "d", false);
    json_put_text(&writer, "e", NULL);
    json_put_raw(&writer, "f", "{\"g\":1.0}");
    json_put_raw(&writer, "h", NULL);
    json_put_int(&writer, "i", -5);
    json_end_object(&writer);
    CU_ASSERT_STRING_EQUAL(buf_text(&out), "{\"a\":\"x\",\"b\":[1,{},[],null],\"c\":true,\"d\":false,\"e\":null,"
                                           "\"f\":{\"g\":1.0},\"h\":null,\"i\":-5}");
}

static void json_writer_writes_every_int64(void)
{
    start();
    json_begin_array(&writer);
    json_write_int(&writer, 0);
    json_write_int(&writer, INT64_MAX);
    json_write_int(&writer, INT64_MIN);
    json_end_array(&writer);
    CU_ASSERT_STRING_EQUAL(buf_text(&out), "[0,9223372036854775807,-9223372036854775808]");
}

static void json_writer_escapes_what_rfc8259_demands_and_no_more(void)
{
    start();
    json_write_text(&writer, "\"\\/\b\f\n\r\t\x01\x1f\x7f<>&'\xE2\x80\xA8\xF0\x9F\x98\x80");
    CU_ASSERT_STRING_EQUAL(buf_text(&out),
                           "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f<>&'\xE2\x80\xA8\xF0\x9F\x98\x80\"");
}

static void json_writer_writes_a_given_length(void)
{
    start();
    json_write_string(&writer, "abc", 2);
    json_write_string(&writer, "", 0);
    CU_ASSERT_STRING_EQUAL(buf_text(&out), "\"ab\",\"\"");
}

/* Every ASCII character at every place of a run long enough for the fast path, between neighbours that could mislead
 * it. */
static void json_writer_gives_every_text_back_through_the_parser(void)
{
    static const char neighbours[] = {'a', '"', '\\', '\x01', '\x7f', '!'};
    unsigned wrong = 0;
    for (int c = 1; c < 128; c++)
        for (size_t at = 0; at < 20; at++) {
            char text[21];
            memset(text, neighbours[(size_t)c % sizeof(neighbours)], 20);
            text[at] = (char)c;
            text[20] = '\0';
            start();
            json_write_text(&writer, text);
            const struct json *value;
            struct json_error error;
            if (json_parse(arena, buf_text(&out), out.len, &value, &error) != ST_OK ||
                strcmp(json_string(value, NULL), text) != 0)
                wrong++;
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void json_escaped_length_is_what_writing_takes(void)
{
    static const char *const texts[] = {
        "",    "plain text of more than eight bytes", "\"", "\"\\\b\f\n\r\t\x01\x1f\x7f\xC3\xA4",
        "a\n", "tail of eight and one more\x01",      "\n", "0123456701234567\"01234567\\"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        start();
        json_write_text(&writer, texts[i]);
        CU_ASSERT_EQUAL(json_escaped_length(texts[i], strlen(texts[i])) + 2, out.len);
    }
}

static void json_writer_failure_shows_in_the_buffer(void)
{
    struct arena *small = arena_new(1024);
    char text[4096];
    memset(text, '\n', sizeof(text));
    buf_init(&out, small);
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    json_write_key(&writer, "long");
    json_write_string(&writer, text, sizeof(text));
    json_end_object(&writer);
    CU_ASSERT(out.failed);
    arena_free(small);
}

void suite_json_writer(void)
{
    CU_pSuite suite = CU_add_suite("json_writer", make_arena, drop_arena);
    UNIT_TEST(suite, json_writer_puts_commas_between_values_only);
    UNIT_TEST(suite, json_writer_writes_every_int64);
    UNIT_TEST(suite, json_writer_escapes_what_rfc8259_demands_and_no_more);
    UNIT_TEST(suite, json_writer_writes_a_given_length);
    UNIT_TEST(suite, json_writer_gives_every_text_back_through_the_parser);
    UNIT_TEST(suite, json_escaped_length_is_what_writing_takes);
    UNIT_TEST(suite, json_writer_failure_shows_in_the_buffer);
}
