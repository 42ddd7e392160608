/*
 * Reading JSON: the only user of json-c.
 *
 * The validator says what the text is and where each value stands; json-c decodes the strings that do not stand for
 * themselves. What must stay true: json-c only ever sees text that passed json_check, and what it made is released with
 * the arena.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* json-c has types of these names too. */
#define json_bool json_c_bool
#define json_type json_c_type
#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#undef json_bool
#undef json_type

#include "base/arena.h"
#include "base/json_check.h"

/* A string as long at most is copied when it holds no escape; longer ones stay out of the arena, whose cap they might
 * take. */
#define COPY_MAX 4096

static void release_object(void *object)
{
    json_object_put(object);
}

/* json-c's document of one string with its quotes, released with the arena. */
static enum status decode_string(struct arena *arena, struct json *value)
{
    struct json_tokener *tokener = json_tokener_new_ex(1);
    if (!tokener)
        return ST_UNAVAILABLE;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *object = json_tokener_parse_ex(tokener, value->start, (int)value->len);
    json_tokener_free(tokener);
    if (!object || arena_defer(arena, release_object, object))
        return ST_UNAVAILABLE;
    value->string = json_object_get_string(object);
    value->count = (uint32_t)json_object_get_string_len(object);
    return ST_OK;
}

/* Most strings say what they are: json-c takes five times as long over a short one as the copying. */
static enum status decode_short_string(struct arena *arena, struct json *value)
{
    size_t n = value->len - 2;
    if (n > COPY_MAX || memchr(value->start, '\\', value->len))
        return decode_string(arena, value);
    value->string = arena_strndup(arena, value->start + 1, n);
    value->count = (uint32_t)n;
    return value->string ? ST_OK : ST_UNAVAILABLE;
}

/* Digits that fit, perhaps behind a minus. */
static int64_t read_integer(const char *text, size_t n)
{
    bool negative = *text == '-';
    uint64_t number = 0;
    for (size_t i = negative; i < n; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    return (int64_t)(negative ? 0 - number : number);
}

static enum status decode_double(struct arena *arena, struct json *value)
{
    const char *digits = json_raw(arena, value);
    if (!digits)
        return ST_UNAVAILABLE;
    value->number = strtod(digits, NULL);
    return ST_OK;
}

/* Gives the validated value, and those in it, what its text means. */
static enum status decode(struct arena *arena, struct json *value)
{
    enum status status = ST_OK;
    switch (value->type) {
    case JSON_BOOL:
        value->boolean = *value->start == 't';
        break;
    case JSON_INT:
        value->integer = read_integer(value->start, value->len);
        break;
    case JSON_DOUBLE:
        return decode_double(arena, value);
    case JSON_STRING:
        return decode_short_string(arena, value);
    case JSON_ARRAY:
    case JSON_OBJECT:
        for (size_t i = 0; !status && i < value->count; i++)
            status = decode(arena, &value->children[i]);
        break;
    case JSON_NULL:
        break;
    }
    return status;
}

enum status json_parse(struct arena *arena, const char *text, size_t n, const struct json **document,
                       struct json_error *error)
{
    struct json tree;
    enum status status = json_check_tree(arena, text, n, &tree, error);
    if (status)
        return status;
    struct json *root = arena_alloc(arena, sizeof(*root));
    if (!root)
        return ST_UNAVAILABLE;
    *root = tree;
    status = decode(arena, root);
    if (!status)
        *document = root;
    return status;
}

enum json_type json_type(const struct json *value)
{
    return value->type;
}

const struct json *json_member(const struct json *object, const char *key)
{
    if (object->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (!strcmp(object->children[i].key, key))
            return &object->children[i];
    return NULL;
}

size_t json_size(const struct json *container)
{
    return container->type == JSON_ARRAY || container->type == JSON_OBJECT ? container->count : 0;
}

const char *json_key(const struct json *object, size_t index)
{
    return object->children[index].key;
}

const struct json *json_element(const struct json *array, size_t index)
{
    return &array->children[index];
}

const char *json_string(const struct json *value, size_t *n)
{
    if (n)
        *n = value->count;
    return value->string;
}

int64_t json_int(const struct json *value)
{
    return value->integer;
}

bool json_bool(const struct json *value)
{
    return value->boolean;
}

double json_double(const struct json *value)
{
    return value->number;
}

const char *json_raw(struct arena *arena, const struct json *value)
{
    return arena_strndup(arena, value->start, value->len);
}
