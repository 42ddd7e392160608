/*
 * One client that watches a turn: a FastCGI connection, and how far it has been told.
 *
 * A viewer has no queue: what it has not got is made from the turn's log when its socket takes more, so that a slow one
 * costs no memory and gets joined tokens. It is dropped when its peer is gone or takes nothing for 30 s; the turn does
 * not care.
 */
#ifndef PARLEY_RELAY_VIEWER_H
#define PARLEY_RELAY_VIEWER_H

#include "relay/handover.h"

struct audience;
struct relay;
struct viewer;

/* Lets a connection watch, from the id that it has seen on; it is told at the audience's next settling. Whatever comes,
 * the connection is the viewer's to close. False: memory is out, and the connection closed. */
bool viewer_add(struct audience *audience, const struct handover *handover, int connection);

/* Closes the connection and touches the audience. */
void viewer_free(struct viewer *viewer);

struct viewer *viewer_next(const struct viewer *viewer);

/* Tells it what it has not got, as far as its socket takes it. May free it: when all is told, or its peer is gone. */
void viewer_push(struct viewer *viewer);

/* Answers a connection that cannot be served with 503 and that code, and closes it. */
void viewer_refuse(struct relay *relay, const struct handover *handover, int connection, const char *code,
                   const char *detail);

#endif
