/*
 * A model's calls of tools, put together from pieces.
 *
 * What must stay true: what is kept is bounded; a piece goes to the call that its index names, or where a server leaves
 * the index out or gives every call the same one, to the call that its id tells apart.
 */
#include "relay/model_tools.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"

#define NO_INDEX (-1)

/* A piece's parts; NULL: it has none such. */
struct piece {
    int64_t index;
    const char *id, *name, *arguments;
};

/* A text that says something. */
static const char *text_of(const struct json *object, const char *key)
{
    const struct json *value = object ? json_member(object, key) : NULL;
    if (!value || json_type(value) != JSON_STRING || !*json_string(value, NULL))
        return NULL;
    return json_string(value, NULL);
}

static enum status read_piece(const struct json *json, struct arena *arena, struct piece *piece)
{
    if (json_type(json) != JSON_OBJECT)
        return ST_INVALID;
    const struct json *index = json_member(json, "index");
    const struct json *function = json_member(json, "function");
    const struct json *arguments = function ? json_member(function, "arguments") : NULL;
    *piece = (struct piece){.index = NO_INDEX, .id = text_of(json, "id"), .name = text_of(function, "name")};
    if (index && json_type(index) == JSON_INT && json_int(index) >= 0)
        piece->index = json_int(index);
    piece->arguments = text_of(function, "arguments");
    /* Some servers give the arguments as the object itself. */
    if (arguments && json_type(arguments) == JSON_OBJECT) {
        piece->arguments = json_raw(arena, arguments);
        return piece->arguments ? ST_OK : ST_UNAVAILABLE;
    }
    return ST_OK;
}

/* The call that a piece goes on with; NULL: it begins another. */
static struct model_tool *find_tool(const struct model_tools *tools, const struct piece *piece)
{
    struct model_tool *found = NULL;
    for (unsigned i = tools->count; i-- && !found;)
        if (piece->index == NO_INDEX || tools->tool[i].index == piece->index)
            found = &tools->tool[i];
    if (!found)
        return NULL;
    if (piece->id && found->id)
        return strcmp(piece->id, found->id) ? NULL : found;
    /* Neither index nor id: a name begins a call. */
    return piece->index == NO_INDEX && piece->name && found->name ? NULL : found;
}

static enum status add_tool(struct model_tools *tools, const struct piece *piece, struct model_tool **tool)
{
    if (tools->count == MODEL_TOOLS_MAX)
        return ST_TOO_LARGE;
    struct model_tool *array = realloc(tools->tool, (tools->count + 1) * sizeof(*array));
    if (!array)
        return ST_UNAVAILABLE;
    tools->tool = array;
    *tool = &array[tools->count++];
    **tool = (struct model_tool){.index = piece->index};
    return ST_OK;
}

/* Keeps a copy of text unless there is one already. */
static enum status set_text(struct model_tools *tools, char **kept, const char *text)
{
    if (!text || *kept)
        return ST_OK;
    size_t n = strlen(text);
    *kept = malloc(n + 1);
    if (!*kept)
        return ST_UNAVAILABLE;
    memcpy(*kept, text, n + 1);
    tools->bytes += n;
    return ST_OK;
}

static enum status add_arguments(struct model_tools *tools, struct model_tool *tool, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    if (n > tool->cap - tool->len) {
        size_t cap = tool->cap * 2 > tool->len + n ? tool->cap * 2 : tool->len + n;
        char *arguments = realloc(tool->arguments, cap);
        if (!arguments)
            return ST_UNAVAILABLE;
        tool->arguments = arguments;
        tool->cap = cap;
    }
    if (n)
        memcpy(tool->arguments + tool->len, text, n);
    tool->len += n;
    tools->bytes += n;
    return ST_OK;
}

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static const char *write_event(unsigned index, const struct piece *piece, struct arena *arena)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, arena);
    json_writer_init(&writer, &out);
    json_begin_object(&writer);
    json_put_int(&writer, "index", index);
    if (piece->id)
        json_put_text(&writer, "call_id", piece->id);
    if (piece->name)
        json_put_text(&writer, "name", piece->name);
    if (piece->arguments)
        json_put_text(&writer, "arguments", piece->arguments);
    json_end_object(&writer);
    return buf_text(&out);
}

enum status model_tools_add(struct model_tools *tools, const struct json *json, struct arena *arena, const char **event)
{
    struct piece piece;
    enum status status = read_piece(json, arena, &piece);
    if (status != ST_OK)
        return status;
    if (length(piece.id) + length(piece.name) + length(piece.arguments) > MODEL_TOOLS_BYTES_MAX - tools->bytes)
        return ST_TOO_LARGE;
    struct model_tool *tool = find_tool(tools, &piece);
    if (!tool)
        status = add_tool(tools, &piece, &tool);
    if (status == ST_OK)
        status = set_text(tools, &tool->id, piece.id);
    if (status == ST_OK)
        status = set_text(tools, &tool->name, piece.name);
    if (status == ST_OK)
        status = add_arguments(tools, tool, piece.arguments);
    if (status != ST_OK)
        return status;
    *event = write_event((unsigned)(tool - tools->tool), &piece, arena);
    return *event ? ST_OK : ST_UNAVAILABLE;
}

const char *model_tools_json(const struct model_tools *tools, struct arena *arena)
{
    struct buf out;
    struct json_writer writer;
    if (!tools->count)
        return NULL;
    buf_init(&out, arena);
    json_writer_init(&writer, &out);
    json_begin_array(&writer);
    for (unsigned i = 0; i < tools->count; i++) {
        const struct model_tool *tool = &tools->tool[i];
        json_begin_object(&writer);
        json_put_text(&writer, "id", tool->id);
        json_put_text(&writer, "type", "function");
        json_write_key(&writer, "function");
        json_begin_object(&writer);
        json_put_text(&writer, "name", tool->name);
        json_write_key(&writer, "arguments");
        json_write_string(&writer, tool->len ? tool->arguments : "", tool->len);
        json_end_object(&writer);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    return buf_text(&out);
}

void model_tools_fini(struct model_tools *tools)
{
    for (unsigned i = 0; i < tools->count; i++) {
        free(tools->tool[i].id);
        free(tools->tool[i].name);
        free(tools->tool[i].arguments);
    }
    free(tools->tool);
    *tools = (struct model_tools){0};
}
