/*
 * Fuzzing the JSON reader: whatever the bytes, no crash, and the parts agree with one another. A disagreement aborts.
 *
 * Checked: json_check and json_parse give the same answer; every value of an accepted text is, by json_raw, a text that
 * is accepted again with the same type; what json_writer writes of a string is read back as the same string.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP ((size_t)512 * 1024 * 1024)

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static const struct json *parse_again(struct arena *arena, const char *text, size_t n)
{
    const struct json *value = NULL;
    struct json_error error;
    demand(text && json_parse(arena, text, n, &value, &error) == ST_OK);
    return value;
}

/* The string through the writer and back. */
static void check_string(struct arena *arena, const struct json *value)
{
    size_t n, n_again;
    const char *string = json_string(value, &n);
    demand(utf8_valid(string, n) && strlen(string) == n);
    struct buf out;
    struct json_writer writer;
    buf_init(&out, arena);
    json_writer_init(&writer, &out);
    json_write_string(&writer, string, n);
    const char *again = json_string(parse_again(arena, buf_text(&out), out.len), &n_again);
    demand(n == n_again && !memcmp(string, again, n));
}

static void check_value(struct arena *arena, const struct json *value, unsigned depth)
{
    const char *raw = json_raw(arena, value);
    demand(raw != NULL);
    const struct json *again = parse_again(arena, raw, strlen(raw));
    demand(json_type(again) == json_type(value) && json_size(again) == json_size(value));
    if (json_type(value) == JSON_STRING)
        check_string(arena, value);
    if (json_type(value) == JSON_OBJECT)
        for (size_t i = 0; i < json_size(value); i++)
            demand(!strcmp(json_key(value, i), json_key(again, i)) &&
                   json_member(value, json_key(value, i)) == json_element(value, i));
    /* Every level reads the levels below again: three are enough to see all kinds of parents. */
    if (depth < 3)
        for (size_t i = 0; i < json_size(value); i++)
            check_value(arena, json_element(value, i), depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    if (!arena)
        arena = arena_new(CAP);
    demand(arena != NULL);
    const char *text = (const char *)data;
    struct json_error checked = {0}, parsed = {0};
    const struct json *document = NULL;
    enum status status = json_check(arena, text, size, &checked);
    demand(status == json_parse(arena, text, size, &document, &parsed));
    if (status == ST_OK)
        check_value(arena, document, 0);
    else
        demand(status == ST_INVALID && checked.offset == parsed.offset && checked.offset <= size &&
               !strcmp(checked.key, parsed.key) && utf8_valid(checked.key, strlen(checked.key)));
    arena_reset(arena);
    return 0;
}
