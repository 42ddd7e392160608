/*
 * What a model server sends as JSON, made fit for the validator of base/json.h.
 *
 * Models and the servers around them cut text where they like: in the middle of a character, between the halves of a
 * surrogate pair, at a U+0000. Such a place becomes U+FFFD, so that one bad byte does not cost the answer. All other
 * faults stay for the validator to see.
 */
#ifndef PARLEY_RELAY_MODEL_TEXT_H
#define PARLEY_RELAY_MODEL_TEXT_H

#include <stddef.h>

#include "base/status.h"

#define MODEL_TEXT_REPLACEMENT "\xEF\xBF\xBD"

struct arena;

struct model_text {
    const char *text; /* the bytes given, or a clean copy in the arena */
    size_t n;
    /* The half of a pair with which a string ends or begins, where it was replaced; 0: no string does, or more than one
     * (then nobody could tell which). The other half may come with the next piece of the answer. */
    unsigned high, low;
};

/* Cleans n bytes of JSON. ST_UNAVAILABLE: memory is out. */
enum status model_text_clean(struct arena *arena, const char *bytes, size_t n, struct model_text *clean) MUST_CHECK;

/* The character of both halves as UTF-8. */
void model_text_join(unsigned high, unsigned low, char text[4]);

#endif
