/*
 * A turn that runs: its log, its model call, who watches, what is saved.
 *
 * What must stay true: a viewer gets `done` only after the COMMIT of what it says; a turn goes on without viewers; it ends exactly once, as complete, stopped, failed
 * or interrupted; its memory is bounded (settings.max_answer_bytes) and ends with it.
 */
#ifndef PARLEY_RELAY_TURN_STREAM_H
#define PARLEY_RELAY_TURN_STREAM_H

#include "relay/handover.h"
#include "relay/turn_log.h"

struct relay;
struct viewer;
struct batch_item;
struct arena;

struct turn_stream;

/* Starts the turn of a HANDOVER_TURN: the model is asked, the first event (session) stands in the log. NULL: memory is out. */
struct turn_stream *turn_stream_start(struct relay *relay, const struct handover *handover);

/* Lets a viewer watch from its id on, at once with what is there. The viewer is the stream's to tell until it is dropped. */
void turn_stream_watch(struct turn_stream *stream, struct viewer *viewer);

/* Takes a viewer off: it has gone. */
void turn_stream_unwatch(struct turn_stream *stream, struct viewer *viewer);

/* Ends it as asked by the user (stopped) or because this process ends (interrupted): the text so far is kept and saved. */
void turn_stream_stop(struct turn_stream *stream);
void turn_stream_interrupt(struct turn_stream *stream);

const struct turn_log *turn_stream_log(const struct turn_stream *stream);

#endif
