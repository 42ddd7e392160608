/* Reading JSON: what is accepted, what is refused and where, and what is read. */
#include "base/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "unit.h"

void suite_json(void);

static struct arena *arena;
static struct json_error error;

static int make_arena(void)
{
    arena = arena_new((size_t)256 * 1024 * 1024);
    return arena ? 0 : 1;
}

static int drop_arena(void)
{
    arena_free(arena);
    return 0;
}

/* json_parse of a copy that ends exactly where the text does, so that a sanitizer sees a step too far. */
static const struct json *parse(const char *text, size_t n)
{
    arena_reset(arena);
    char *exact = malloc(n ? n : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
    memcpy(exact, text, n);
    (void)arena_defer(arena, free, exact);
    const struct json *document = NULL;
    enum status checked = json_check(arena, exact, n, &error);
    enum status parsed = json_parse(arena, exact, n, &document, &error);
    CU_ASSERT_EQUAL(checked, parsed);
    return parsed == ST_OK ? document : NULL;
}

static const struct json *parse_text(const char *text)
{
    return parse(text, strlen(text));
}

/* One text with its length, which may hold NUL bytes. */
struct text {
    const char *bytes;
    size_t n;
};
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static const struct text valid[] = {
    TEXT("0"),
    TEXT("-0"),
    TEXT("1"),
    TEXT("-1"),
    TEXT("10"),
    TEXT("0.5"),
    TEXT("-0.0"),
    TEXT("1e5"),
    TEXT("1E+5"),
    TEXT("1e-5"),
    TEXT("1.25e10"),
    TEXT("0e1"),
    TEXT("9223372036854775807"),
    TEXT("123456789012345678901234567890"),
    TEXT("1e400"),
    TEXT("true"),
    TEXT("false"),
    TEXT("null"),
    TEXT("\"\""),
    TEXT("\"a\""),
    TEXT("[]"),
    TEXT("{}"),
    TEXT(" \t\r\n[ ] \t\r\n"),
    TEXT("[1,2,3]"),
    TEXT("[[],[[]],{}]"),
    TEXT("{\"a\":1,\"b\":{\"a\":2}}"),
    TEXT("{\"\":0}"),
    TEXT("{ \"a\" : [ 1 , 2 ] }"),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    TEXT("\"\\u0041\\u00e9\\u20AC\""),
    TEXT("\"\\ud83d\\ude00\""),
    TEXT("\"\\uDBFF\\uDFFF\""),
    TEXT("\"\x7f\""),
    TEXT("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""),
    TEXT("\"\xEF\xBF\xBF\xEF\xBB\xBF\""),
    TEXT("\"\xF4\x8F\xBF\xBF\""),
    TEXT("\"\\u0001\\u001f\""),
    TEXT("\"/* no comment */\""),
    TEXT("[null,true,false,0,\"\",[],{}]"),
    TEXT("\"'\""),
    TEXT("{\"a\":1,\"A\":2,\"a \":3}"),
    TEXT("[\"\\uFFFE\"]"),
    TEXT("{\"a\":{\"x\":1},\"b\":{\"x\":1}}"),
};

static const struct text invalid[] = {
    /* what json-c lets pass in its strict mode */
    TEXT("NaN"),
    TEXT("[NaN]"),
    TEXT("nan"),
    TEXT("Infinity"),
    TEXT("[-Infinity]"),
    TEXT("'a'"),
    TEXT("['a']"),
    TEXT("{'a':1}"),
    TEXT("\"a\nb\""),
    TEXT("[\"\t\"]"),
    TEXT("[\"\x1f\"]"),
    TEXT("-01"),
    TEXT("[-012]"),
    TEXT("1."),
    TEXT("[2.e3]"),
    TEXT("[2.]"),
    TEXT("[0.e1]"),
    TEXT("[-2.]"),
    TEXT("[\"\0\"]"),
    TEXT("[\"a\0a\"]"),
    TEXT("TRUE"),
    TEXT("[True]"),
    TEXT("NULL"),
    TEXT("\"\xC0\xAF\""),
    TEXT("\"\xE0\x80\xAF\""),
    TEXT("\"\xED\xA0\x80\""),
    TEXT("\"\xF4\x90\x80\x80\""),
    TEXT("\"\xFF\""),
    TEXT("\"\x80\""),
    TEXT("\"\xC3\""),
    TEXT("\"\xE2\x82\""),
    TEXT("\"\xF0\x9F\x98\""),
    TEXT("\"\\ud800\""),
    TEXT("\"\\udc00\""),
    TEXT("\"\\ud800\\u0041\""),
    TEXT("\"\\ud800\\ud800\""),
    TEXT("\"\\ud800x\""),
    TEXT("\"\\u0000\""),
    TEXT("{\"a\\u0000b\":1}"),
    TEXT("{\"\\ud800\":1}"),
    /* numbers */
    TEXT("01"),
    TEXT("00"),
    TEXT("+1"),
    TEXT("-"),
    TEXT("--1"),
    TEXT(".5"),
    TEXT("-.5"),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("1.e1"),
    TEXT("1.5.5"),
    TEXT("0x10"),
    TEXT("1_000"),
    TEXT("1 000"),
    TEXT("[1-2]"),
    TEXT("1a"),
    TEXT("0e"),
    TEXT("-a"),
    TEXT("1,5"),
    TEXT("1e1.5"),
    /* strings */
    TEXT("\""),
    TEXT("\"a"),
    TEXT("\"\\"),
    TEXT("\"\\\""),
    TEXT("\"\\x41\""),
    TEXT("\"\\a\""),
    TEXT("\"\\u\""),
    TEXT("\"\\u00\""),
    TEXT("\"\\u00g0\""),
    TEXT("\"\\U0041\""),
    TEXT("\"\\u004"),
    TEXT("\"\\ud83d\\ude0\""),
    TEXT("\"\\'\""),
    TEXT("\"\\\n\""),
    TEXT("\"\\\0\""),
    TEXT("\"\\ud83d"),
    TEXT("\"a\"\""),
    /* structure */
    TEXT(""),
    TEXT(" "),
    TEXT("["),
    TEXT("]"),
    TEXT("{"),
    TEXT("}"),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[,]"),
    TEXT("[1,,2]"),
    TEXT("[1 2]"),
    TEXT("[1}"),
    TEXT("{]"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":1"),
    TEXT("{\"a\":1,"),
    TEXT("{\"a\":1,}"),
    TEXT("{,}"),
    TEXT("{\"a\" 1}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("{\"a\":1;\"b\":2}"),
    TEXT("{a:1}"),
    TEXT("{1:1}"),
    TEXT("{null:1}"),
    TEXT("{\"a\"::1}"),
    TEXT("{\"a\":}"),
    TEXT("{:1}"),
    TEXT("{\"a\":1}}"),
    TEXT("[]]"),
    TEXT("[][]"),
    TEXT("{}{}"),
    TEXT("1 2"),
    TEXT("nul"),
    TEXT("nulll"),
    TEXT("truefalse"),
    TEXT("t"),
    TEXT("undefined"),
    TEXT("{}x"),
    TEXT("{}\0"),
    TEXT("\0"),
    TEXT("\0{}"),
    TEXT("[]\0]"),
    /* what is not JSON at all */
    TEXT("// c\n1"),
    TEXT("1 // c"),
    TEXT("/* c */1"),
    TEXT("[1/**/]"),
    TEXT("# c\n1"),
    TEXT("\xEF\xBB\xBF{}"),
    TEXT("\xFE\xFF"),
    TEXT("[\xC2\xA0]"),
    TEXT("[1,\x0c 2]"),
    TEXT("[\v]"),
    TEXT("\xE2\x80\x8B[]"),
    TEXT("[\xC3\xA9]"),
    TEXT("(1)"),
    TEXT("*"),
    TEXT("<a>"),
    TEXT("a=1"),
    /* keys twice */
    TEXT("{\"a\":1,\"a\":1}"),
    TEXT("{\"a\":1,\"\\u0061\":1}"),
    TEXT("{\"\":1,\"\":1}"),
    TEXT("[{\"a\":{\"b\":1,\"b\":2}}]"),
    TEXT("{\"\xC3\xA9\":1,\"\\u00e9\":1}"),
    TEXT("{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\ude00\":1}"),
    TEXT("{\"a/b\":1,\"a\\/b\":1}"),
    TEXT("{\"\\n\":1,\"\\u000a\":1}"),
    TEXT("{\"\xE2\x82\xAC\":1,\"\\u20ac\":1}"),
};

static void json_accepts_what_rfc8259_does(void)
{
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        const struct json *document = parse(valid[i].bytes, valid[i].n);
        if (!document)
            CU_FAIL(valid[i].bytes);
    }
}

static void json_refuses_everything_else(void)
{
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        if (parse(invalid[i].bytes, invalid[i].n))
            CU_FAIL(invalid[i].bytes);
        CU_ASSERT(error.offset <= invalid[i].n);
        CU_ASSERT(strlen(error.message) > 0);
    }
}

static void json_refuses_every_cut_of_a_text(void)
{
    static const char text[] = "{\"a\":[1.5e3,true,null,\"\\ud83d\\ude00\xE2\x82\xAC\"],\"b\":{\"c\":{}}}";
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        CU_ASSERT_PTR_NULL(parse(text, n));
    CU_ASSERT_PTR_NOT_NULL(parse(text, sizeof(text) - 1));
}

static void json_has_200000_values_and_no_more(void)
{
    static char text[2 * JSON_VALUES_MAX + 2];
    const struct json *document;
    memset(text, '1', sizeof(text));
    for (size_t i = 2; i < sizeof(text); i += 2)
        text[i] = ',';
    text[0] = '[';
    size_t n = 2 * JSON_VALUES_MAX;
    text[n - 2] = ']';
    CU_ASSERT_PTR_NOT_NULL(parse(text, n - 1));
    text[n - 2] = ',';
    text[n] = ']';
    arena_reset(arena);
    CU_ASSERT_EQUAL(json_parse(arena, text, n + 1, &document, &error), ST_TOO_LARGE);
}

static void json_nests_32_levels_deep_and_no_deeper(void)
{
    char text[2 * 34 * 6];
    for (int depth = 31; depth <= 33; depth++) {
        size_t n = 0;
        for (int i = 0; i < depth; i++)
            text[n++] = '[';
        for (int i = 0; i < depth; i++)
            text[n++] = ']';
        CU_ASSERT_EQUAL(parse(text, n) != NULL, depth <= 32);
        n = 0;
        for (int i = 0; i < depth; i++, n += 5)
            memcpy(text + n, "{\"k\":", 5);
        text[n++] = '1';
        for (int i = 0; i < depth; i++)
            text[n++] = '}';
        CU_ASSERT_EQUAL(parse(text, n) != NULL, depth <= 32);
    }
    CU_ASSERT_STRING_EQUAL(error.message, "nested too deeply");
    CU_ASSERT_EQUAL(error.offset, 32 * 5);
}

static void json_says_where_and_why(void)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *message, *key;
    } cases[] = {
        {"{\"text\":\"a\xFF\"}", 10, "invalid UTF-8", "text"},
        {"{\"text\":{\"x\":[\"\\u0000\"]}}", 15, "U+0000 cannot be kept", "text"},
        {"{\"a\":1,\"text\":\"\\udead\"}", 15, "lone surrogate", "text"},
        {"{\"a\":1,\"b\":2,\"a\":3}", 13, "duplicate key", "a"},
        {"{\"a\":1,\"b\":2,\"b\":3,\"a\":4}", 13, "duplicate key", "b"},
        {"{\"m\":{\"x\":1,\"x\":2}}", 12, "duplicate key", "m"},
        {"{\"\\u0061\":tru}", 10, "unknown word", "a"},
        {"{\"a\":1 \"b\":2}", 7, "expected a comma or }", ""},
        {"{\"a\":", 5, "unexpected end of the text", "a"},
        {"[1,2,", 5, "unexpected end of the text", ""},
        {"{\"a\":1} x", 8, "bytes behind the end of the value", ""},
        {"[{\"a\":x}]", 6, "expected a value", ""},
        {"{\"k\x01\":1}", 3, "control character in a string", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_PTR_NULL(parse_text(cases[i].text));
        CU_ASSERT_EQUAL(error.offset, cases[i].offset);
        CU_ASSERT_STRING_EQUAL(error.message, cases[i].message);
        CU_ASSERT_STRING_EQUAL(error.key, cases[i].key);
    }
}

static void json_cuts_the_key_at_fault_at_a_character(void)
{
    /* 63 letters, then a character of three bytes that does not fit into 64. */
    char text[128] = "{\"";
    memset(text + 2, 'k', 63);
    strcpy(text + 65, "\xE2\x82\xAC\":x}");
    CU_ASSERT_PTR_NULL(parse_text(text));
    CU_ASSERT_EQUAL(strlen(error.key), 63);
    CU_ASSERT_EQUAL(error.key[62], 'k');
    strcpy(text + 65, "kk\":x}");
    CU_ASSERT_PTR_NULL(parse_text(text));
    CU_ASSERT_EQUAL(strlen(error.key), 64);
}

static void json_reads_values_of_every_type(void)
{
    const struct json *o =
        parse_text("{\"n\":null,\"t\":true,\"f\":false,\"i\":-42,\"d\":1.5,\"s\":\"a\\n\\u00e9\\ud83d\\ude00\","
                   "\"a\":[10,20],\"o\":{\"x\":1}}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    CU_ASSERT_EQUAL(json_type(o), JSON_OBJECT);
    CU_ASSERT_EQUAL(json_size(o), 8);
    CU_ASSERT_EQUAL(json_type(json_member(o, "n")), JSON_NULL);
    CU_ASSERT(json_bool(json_member(o, "t")));
    CU_ASSERT_FALSE(json_bool(json_member(o, "f")));
    CU_ASSERT_EQUAL(json_type(json_member(o, "f")), JSON_BOOL);
    CU_ASSERT_EQUAL(json_int(json_member(o, "i")), -42);
    CU_ASSERT_EQUAL(json_type(json_member(o, "d")), JSON_DOUBLE);
    CU_ASSERT(json_double(json_member(o, "d")) == 1.5);
    size_t n;
    CU_ASSERT_STRING_EQUAL(json_string(json_member(o, "s"), &n), "a\n\xC3\xA9\xF0\x9F\x98\x80");
    CU_ASSERT_EQUAL(n, 8);
    const struct json *a = json_member(o, "a");
    CU_ASSERT_EQUAL(json_size(a), 2);
    CU_ASSERT_EQUAL(json_int(json_element(a, 1)), 20);
    CU_ASSERT_EQUAL(json_int(json_member(json_member(o, "o"), "x")), 1);
    CU_ASSERT_PTR_NULL(json_member(o, "x"));
    CU_ASSERT_PTR_NULL(json_member(a, "x"));
    CU_ASSERT_EQUAL(json_size(json_member(o, "s")), 0);
}

static void json_keeps_members_in_their_order(void)
{
    const struct json *o = parse_text("{\"z\":1,\"a\":2,\"\\u006d\":3,\"\":4}");
    static const char *const keys[] = {"z", "a", "m", ""};
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(json_key(o, i), keys[i]);
        CU_ASSERT_EQUAL(json_int(json_member(o, keys[i])), (int64_t)i + 1);
    }
}

static void json_tells_integers_of_64_bits_from_others(void)
{
    static const struct {
        const char *text;
        enum json_type type;
        double number;
    } numbers[] = {
        {"0", JSON_INT, 0},
        {"-0", JSON_INT, 0},
        {"9223372036854775807", JSON_INT, 0x1p63},
        {"-9223372036854775808", JSON_INT, -0x1p63},
        {"9223372036854775808", JSON_DOUBLE, 0x1p63},
        {"-9223372036854775809", JSON_DOUBLE, -0x1p63},
        {"18446744073709551616", JSON_DOUBLE, 0x1p64},
        {"100000000000000000000", JSON_DOUBLE, 1e20},
        {"1.0", JSON_DOUBLE, 1},
        {"1e2", JSON_DOUBLE, 100},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const struct json *number = parse_text(numbers[i].text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(number);
        CU_ASSERT_EQUAL_FATAL(json_type(number), numbers[i].type);
        double value = json_type(number) == JSON_INT ? (double)json_int(number) : json_double(number);
        CU_ASSERT(value == numbers[i].number);
    }
    CU_ASSERT_EQUAL(json_int(parse_text("9223372036854775807")), INT64_MAX);
    CU_ASSERT_EQUAL(json_int(parse_text("-9223372036854775808")), INT64_MIN);
}

static void json_raw_is_what_the_caller_wrote(void)
{
    const struct json *o = parse_text(
        " { \"a\" : { \"n\" : 1.500, \"u\" : \"\\u0041\" } , \"b\":[ 1 , 12345678901234567890.123 ],\"c\" : null }\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    CU_ASSERT_STRING_EQUAL(json_raw(arena, json_member(o, "a")), "{ \"n\" : 1.500, \"u\" : \"\\u0041\" }");
    CU_ASSERT_STRING_EQUAL(json_raw(arena, json_member(json_member(o, "a"), "u")), "\"\\u0041\"");
    CU_ASSERT_STRING_EQUAL(json_raw(arena, json_member(o, "b")), "[ 1 , 12345678901234567890.123 ]");
    CU_ASSERT_STRING_EQUAL(json_raw(arena, json_element(json_member(o, "b"), 1)), "12345678901234567890.123");
    CU_ASSERT_STRING_EQUAL(json_raw(arena, json_member(o, "c")), "null");
    CU_ASSERT_STRING_EQUAL(json_raw(arena, parse_text("  7  ")), "7");
}

/* An object of that many members; when twice is set the last key stands twice. */
static void build_object(struct buf *out, struct arena *memory, int members, bool twice)
{
    buf_init(out, memory);
    buf_add_char(out, '{');
    for (int i = 0; i < members; i++)
        buf_printf(out, "\"key%d\":0,", i);
    buf_printf(out, "\"key%d\":0}", twice ? members - 1 : members);
    CU_ASSERT_FALSE(out->failed);
}

static void json_checks_a_hundred_thousand_keys_quickly(void)
{
    struct arena *memory = arena_new((size_t)64 * 1024 * 1024);
    struct buf text;
    int64_t before = clock_monotonic_ms();
    build_object(&text, memory, 100000, false);
    CU_ASSERT_PTR_NOT_NULL(parse(text.data, text.len));
    build_object(&text, memory, 100000, true);
    CU_ASSERT_PTR_NULL(parse(text.data, text.len));
    CU_ASSERT_STRING_EQUAL(error.key, "key99999");
    /* Each key with each other would take minutes. */
    CU_ASSERT(clock_monotonic_ms() - before < 10000);
    arena_free(memory);
}

static void json_answers_unavailable_when_the_arena_is_full(void)
{
    struct arena *small = arena_new(4096);
    struct arena *memory = arena_new(1024 * 1024);
    struct buf text;
    build_object(&text, memory, 1000, false);
    const struct json *document = NULL;
    CU_ASSERT_EQUAL(json_check(small, text.data, text.len, &error), ST_UNAVAILABLE);
    CU_ASSERT_EQUAL(json_parse(small, text.data, text.len, &document, &error), ST_UNAVAILABLE);
    CU_ASSERT_PTR_NULL(document);
    arena_free(memory);
    arena_free(small);
}

void suite_json(void)
{
    CU_pSuite suite = CU_add_suite("json", make_arena, drop_arena);
    UNIT_TEST(suite, json_accepts_what_rfc8259_does);
    UNIT_TEST(suite, json_refuses_everything_else);
    UNIT_TEST(suite, json_refuses_every_cut_of_a_text);
    UNIT_TEST(suite, json_nests_32_levels_deep_and_no_deeper);
    UNIT_TEST(suite, json_says_where_and_why);
    UNIT_TEST(suite, json_cuts_the_key_at_fault_at_a_character);
    UNIT_TEST(suite, json_reads_values_of_every_type);
    UNIT_TEST(suite, json_keeps_members_in_their_order);
    UNIT_TEST(suite, json_tells_integers_of_64_bits_from_others);
    UNIT_TEST(suite, json_raw_is_what_the_caller_wrote);
    UNIT_TEST(suite, json_has_200000_values_and_no_more);
    UNIT_TEST(suite, json_checks_a_hundred_thousand_keys_quickly);
    UNIT_TEST(suite, json_answers_unavailable_when_the_arena_is_full);
}
