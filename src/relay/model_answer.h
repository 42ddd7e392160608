/* What a model answers, put together from its chunks: told as it comes, and summed up at the end. */
#ifndef PARLEY_RELAY_MODEL_ANSWER_H
#define PARLEY_RELAY_MODEL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/model_failure.h"
#include "relay/model_tools.h"

struct arena;
struct json;
struct model_text;
struct upstream_end;
struct upstream_events;

enum model_voice { MODEL_CONTENT, MODEL_REASONING, MODEL_VOICES };

/* Zeroed but for the first four, which the maker sets. */
struct model_answer {
    const struct upstream_events *events; /* token, reasoning and tool_call are told */
    void *owner;
    struct arena *scratch; /* for events; whoever feeds chunks resets it after each */
    size_t max_bytes;      /* of all text together */
    size_t told_bytes;
    bool begun;                  /* something was told */
    bool stopped;                /* nothing may be told any more */
    bool done;                   /* [DONE] came, or the answer in one piece was read */
    unsigned half[MODEL_VOICES]; /* a high surrogate that waits for its other half; 0: none */
    struct model_tools tools;
    char *finish_reason, *model; /* NULL: not said */
    bool has_usage;
    int64_t prompt_tokens, completion_tokens;
    enum model_failure failure;
};

/* Takes a chunk, or an answer in one piece, as an object; clean is the text it was parsed from. False: it has no
 * choices. */
bool model_answer_take(struct model_answer *answer, const struct json *chunk, const struct model_text *clean);

/* Tells what waited for more that does not come. */
void model_answer_flush(struct model_answer *answer);

/* Notes a failure; the first one counts. */
void model_answer_fail(struct model_answer *answer, enum model_failure failure);

/* Whether it has neither failed nor been stopped. */
bool model_answer_wants_more(const struct model_answer *answer);

/* Whether a finish_reason or [DONE] came, and no failure. */
bool model_answer_is_complete(const struct model_answer *answer);

/* Fills in all but the error and retry_after, and answers how it failed; MODEL_OK where it is complete, or just not yet
 * over. Texts live as long as the answer, tool_calls in the arena. */
enum model_failure model_answer_result(const struct model_answer *answer, struct arena *arena,
                                       struct upstream_end *end);

void model_answer_fini(struct model_answer *answer);

#endif
