/*
 * Asking a model server for an answer, streamed.
 *
 * Speaks OpenAI's chat completions (POST <model_url>/chat/completions, "stream": true), which OpenAI, Ollama,
 * llama.cpp, vLLM and most gateways serve. Without a model_url the built-in echo model answers, word by word, so that
 * everything works without a network.
 *
 * What must stay true:
 * - An answer is complete only when a finish_reason or [DONE] came: the end of the body proves nothing.
 * - Before the first delta one retry is made on 500, 502, 503 and connection errors, among them a connection that does
 *   not come in time; after it none.
 * - Every wait has a deadline of our own: first byte, idle, total. No redirects, http and https alone, TLS verified.
 * - What the server sends is untrusted: bounded, and made valid UTF-8 (U+FFFD for what is not) before anybody sees it.
 */
#ifndef PARLEY_RELAY_UPSTREAM_H
#define PARLEY_RELAY_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct loop;
struct settings;
struct upstream;      /* the multi handle: all transfers of this process */
struct upstream_call; /* one answer under way */

/* How an answer ended. Texts live until `end` returns. */
struct upstream_end {
    bool complete;             /* with a finish_reason or [DONE] */
    const char *error_code;    /* else: model_unreachable, model_timeout, model_error, model_rate_limited, model_cut,
                                  model_garbled, model_refused, answer_too_long */
    const char *error_message; /* a sentence of ours; never the server's text */
    unsigned retry_after;      /* seconds, from a 429; 0: not said */
    const char *finish_reason; /* the server's word; "stop" where only [DONE] came; NULL: none */
    const char *model;         /* as the server names it; NULL: it did not */
    const char *tool_calls;    /* all calls, put together from their pieces, as a JSON array; NULL: none */
    bool has_usage;
    int64_t prompt_tokens, completion_tokens;
};

/* What the owner of a call is told, from the loop. Text is valid UTF-8, never empty, not NUL-terminated, and lives
 * until the function returns. `end` comes exactly once and last, and never from inside upstream_start. */
struct upstream_events {
    void (*token)(void *owner, const char *text, size_t n);
    void (*reasoning)(void *owner, const char *text, size_t n);
    void (*tool_call)(void *owner, const char *json); /* a piece as it came: {"index", "id"?, "name"?, "arguments"?} */
    void (*end)(void *owner, const struct upstream_end *end);
};

/* NULL: memory is out, or curl cannot start. Reads the key's file here: no other process does. The settings and the
 * loop must stay. */
struct upstream *upstream_new(struct loop *loop, const struct settings *settings);
void upstream_free(struct upstream *upstream);

/* Asks. model NULL: the configured one; messages: a JSON array; it and the events are copied. NULL: memory is out (no
 * event comes). */
struct upstream_call *upstream_start(struct upstream *upstream, const char *model, const char *messages,
                                     const struct upstream_events *events, void *owner);

/* Ends a call before its end: the connection to the server is closed, no event comes any more. Answers the tool calls
 * so far as JSON, or NULL; the text lives until the next call of anything here. */
const char *upstream_cancel(struct upstream_call *call);

#endif
