/*
 * The events of a turn as front ends of threads read them: lines `data: {"type": ..., ...}` without ids, an empty line
 * behind each.
 *
 * The types are status, token, done and error. A call of a tool is told as a status; the session's event and what the
 * model thinks aloud are left out.
 */
#ifndef PARLEY_RELAY_FRAMES_H
#define PARLEY_RELAY_FRAMES_H

#include "relay/turn_log.h"

struct frames {
    const char *thread; /* what `done` says */
    bool twice;         /* as thread_id and as threadId */
};

/* A turn_log_writer; how is a struct frames. Reads in the arena of out. */
bool frames_write(const struct turn_piece *piece, const void *how, struct buf *out);

#endif
