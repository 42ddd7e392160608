/* A model's calls of tools, put together from the pieces in which servers stream them. */
#ifndef PARLEY_RELAY_MODEL_TOOLS_H
#define PARLEY_RELAY_MODEL_TOOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define MODEL_TOOLS_MAX       128
#define MODEL_TOOLS_BYTES_MAX (256 * 1024) /* ids, names and arguments of all calls of an answer */

struct arena;
struct json;

struct model_tool {
    int64_t index; /* the server's number for it */
    char *id, *name;
    char *arguments;
    size_t len, cap; /* of arguments */
};

struct model_tools {
    struct model_tool *tool;
    unsigned count;
    size_t bytes;
};

/* Adds one element of a delta's (or a message's) tool_calls. *event is the piece as viewers get it, in the arena:
 * {"index", "call_id"?, "name"?, "arguments"?}, index counting from 0 whatever the server does. ST_INVALID: it is no
 * such element; ST_TOO_LARGE: there are too many, or they are too long; ST_UNAVAILABLE: memory is out. */
enum status model_tools_add(struct model_tools *tools, const struct json *piece, struct arena *arena,
                            const char **event) MUST_CHECK;

/* All calls as the array that goes back to the model: [{"id", "type": "function", "function": {"name", "arguments"}}].
 * NULL: there are none, or memory is out. */
const char *model_tools_json(const struct model_tools *tools, struct arena *arena);

void model_tools_fini(struct model_tools *tools);

#endif
