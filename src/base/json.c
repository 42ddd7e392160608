/*
 * Reading JSON: the only user of json-c.
 *
 * The validator says what the text is and where each value stands; json-c decodes it; here the two trees are tied
 * together. What must stay true: json-c only ever sees text that passed json_check, and its document is released with
 * the arena.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

/* json-c has types of these names too. */
#define json_bool json_c_bool
#define json_type json_c_type
#include <json-c/json_object.h>
#include <json-c/json_object_iterator.h>
#include <json-c/json_tokener.h>
#undef json_bool
#undef json_type

#include "base/arena.h"
#include "base/json_check.h"

static enum status bind_value(struct arena *arena, struct json *value, struct json_object *object);

static void release_object(void *object)
{
    json_object_put(object);
}

/* The text as json-c's document, released with the arena; *object is NULL for the text `null`. */
static enum status decode(struct arena *arena, const char *text, size_t n, struct json_object **object)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    if (!tokener)
        return ST_UNAVAILABLE;
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    *object = json_tokener_parse_ex(tokener, text, (int)n);
    /* A number or a word that ends with the text might go on: a space says that it does not. */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        *object = json_tokener_parse_ex(tokener, " ", 1);
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    if (problem != json_tokener_success)
        return ST_UNAVAILABLE;
    return *object && arena_defer(arena, release_object, *object) ? ST_UNAVAILABLE : ST_OK;
}

static enum status bind_string(struct json *value, struct json_object *object)
{
    if (json_object_get_type(object) != json_type_string)
        return ST_UNAVAILABLE;
    value->string = json_object_get_string(object);
    value->count = (uint32_t)json_object_get_string_len(object);
    return ST_OK;
}

/* json-c cuts an integer outside 64 bits to the nearest inside: that one is read here. */
static enum status bind_double(struct arena *arena, struct json *value, struct json_object *object)
{
    if (json_object_get_type(object) == json_type_double) {
        value->number = json_object_get_double(object);
        return ST_OK;
    }
    const char *digits = json_raw(arena, value);
    if (!digits)
        return ST_UNAVAILABLE;
    value->number = strtod(digits, NULL);
    return ST_OK;
}

static enum status bind_array(struct arena *arena, struct json *value, struct json_object *object)
{
    if (json_object_get_type(object) != json_type_array || json_object_array_length(object) != value->count)
        return ST_UNAVAILABLE;
    enum status status = ST_OK;
    for (size_t i = 0; !status && i < value->count; i++)
        status = bind_value(arena, &value->children[i], json_object_array_get_idx(object, i));
    return status;
}

/* Both sides keep the members in the order of the text, and the validator let no key pass twice. */
static enum status bind_object(struct arena *arena, struct json *value, struct json_object *object)
{
    if (json_object_get_type(object) != json_type_object || json_object_object_length(object) != (int)value->count)
        return ST_UNAVAILABLE;
    struct json_object_iterator member = json_object_iter_begin(object);
    enum status status = ST_OK;
    for (size_t i = 0; !status && i < value->count; i++) {
        value->children[i].key = json_object_iter_peek_name(&member);
        status = bind_value(arena, &value->children[i], json_object_iter_peek_value(&member));
        json_object_iter_next(&member);
    }
    return status;
}

/* Gives the validated value what json-c decoded for it. The two can only differ where json-c ran out of memory. */
static enum status bind_value(struct arena *arena, struct json *value, struct json_object *object)
{
    switch (value->type) {
    case JSON_BOOL:
        value->boolean = json_object_get_boolean(object);
        return json_object_get_type(object) == json_type_boolean ? ST_OK : ST_UNAVAILABLE;
    case JSON_INT:
        value->integer = json_object_get_int64(object);
        return json_object_get_type(object) == json_type_int ? ST_OK : ST_UNAVAILABLE;
    case JSON_DOUBLE:
        return bind_double(arena, value, object);
    case JSON_STRING:
        return bind_string(value, object);
    case JSON_ARRAY:
        return bind_array(arena, value, object);
    case JSON_OBJECT:
        return bind_object(arena, value, object);
    case JSON_NULL:
        break;
    }
    return object ? ST_UNAVAILABLE : ST_OK;
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
    struct json_object *object;
    status = decode(arena, text, n, &object);
    if (!status)
        status = bind_value(arena, root, object);
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
