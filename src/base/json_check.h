/*
 * What the validator of json_check.c leaves behind for json.c: the tree of values and where each stands in the text.
 * Nobody else includes this; json.h is the contract of both.
 */
#ifndef PARLEY_BASE_JSON_CHECK_H
#define PARLEY_BASE_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"

struct json {
    /* The validator sets children; string, integer and so on stand only after json_parse. */
    union {
        struct json *children;
        const char *string;
        int64_t integer;
        double number;
        bool boolean;
    };
    const char *key;   /* decoded, in a member of an object */
    const char *start; /* of the value in the text */
    uint32_t len;      /* of the value in the text */
    uint32_t count;    /* of children; of a string's decoded bytes after json_parse */
    enum json_type type;
};

/* As json_check, and *root is the checked text's tree, its children in the arena. */
enum status json_check_tree(struct arena *arena, const char *text, size_t n, struct json *root,
                            struct json_error *error) MUST_CHECK;

#endif
