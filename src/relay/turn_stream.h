/*
 * A turn that runs: its log, its model call, what is saved.
 *
 * What must stay true: a viewer gets `done` only after the COMMIT of what it says; a turn goes on without viewers; it
 * ends exactly once, as complete, stopped, failed or interrupted; its memory is bounded (settings.max_answer_bytes) and
 * ends with it.
 */
#ifndef PARLEY_RELAY_TURN_STREAM_H
#define PARLEY_RELAY_TURN_STREAM_H

#include <stdbool.h>

#include "relay/handover.h"

struct audience;
struct relay;

/* Starts the turn of a HANDOVER_TURN: the first event (session) stands in the log, the model is asked. overloaded: it
 * is not, and the turn ends as failed with that code. The answer is the turn's audience, for viewers to watch; NULL:
 * memory is out, nothing was started. It frees itself when it has ended and nobody watches. */
struct audience *turn_stream_start(struct relay *relay, const struct handover *handover, bool overloaded);

#endif
