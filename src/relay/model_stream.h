/*
 * Reading the body of a model server's answer: OpenAI's chat completions as server-sent events, or, where a server does
 * not stream, as one JSON object. Knows nothing of how the bytes come.
 *
 * What servers do differently is taken as it comes: CRLF, CR or LF; `data:` with or without a space; data in several
 * lines; events without an empty line between them; comments; a first delta with only a role; content as a text
 * or in parts, thoughts among them; reasoning_content or reasoning; tool calls in pieces; usage in a chunk of its own,
 * null, or not at all; an error in place of a chunk; no [DONE].
 */
#ifndef PARLEY_RELAY_MODEL_STREAM_H
#define PARLEY_RELAY_MODEL_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "relay/model_failure.h"

struct arena;
struct model_stream;
struct upstream_end;
struct upstream_events;

#define MODEL_STREAM_LINE_MAX (1024 * 1024)

/* A reader that tells token, reasoning and tool_call of the events (never end). scratch is reset after each event of
 * the body, and may be shared by streams; nothing that the functions told call may touch it. max_bytes: of all text
 * together. NULL: memory is out. */
struct model_stream *model_stream_new(const struct upstream_events *events, void *owner, struct arena *scratch,
                                      size_t max_bytes);
void model_stream_free(struct model_stream *stream);

/* Reads on. False: it has failed or was stopped, and nothing more is wanted. */
bool model_stream_feed(struct model_stream *stream, const char *bytes, size_t n);

/* The body is over; whole: it did not break off. */
void model_stream_finish(struct model_stream *stream, bool whole);

/* No event any more: allowed inside one. */
void model_stream_stop(struct model_stream *stream);

/* How far it is: whether anything was told; whether a finish_reason or [DONE] came, so that what is still to come is at
 * most the usage; whether [DONE] came, or the one JSON object was read. */
bool model_stream_has_begun(const struct model_stream *stream);
bool model_stream_is_complete(const struct model_stream *stream);
bool model_stream_is_done(const struct model_stream *stream);

/* As model_answer_result: all but the error and retry_after, and how it failed. */
enum model_failure model_stream_result(const struct model_stream *stream, struct arena *arena,
                                       struct upstream_end *end);

/* The calls of tools so far, in the arena; NULL: none. */
const char *model_stream_tools(const struct model_stream *stream, struct arena *arena);

#endif
