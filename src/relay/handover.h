/*
 * Handing a connection over: what a worker sends a relay, and how.
 *
 * A message is a byte of kind with descriptors beside it (SCM_RIGHTS): an anonymous file (memfd) that holds the rest,
 * so that a long history fits, and the FastCGI connection, where there is one. The socket is a SOCK_SEQPACKET pair made
 * by the master before any fork: messages that wait in it outlive a dead relay and reach the next one.
 */
#ifndef PARLEY_RELAY_HANDOVER_H
#define PARLEY_RELAY_HANDOVER_H

#include <stdbool.h>

#include "base/status.h"
#include "core/handover.h"

struct arena;

/* Makes the socket pair: ends[0] is the relay's, ends[1] the workers'. */
enum status handover_pair(int ends[2]) MUST_CHECK;

/* Sends; the caller keeps (and closes) its own connection descriptor, -1 for HANDOVER_STOP. Never waits: ST_UNAVAILABLE
 * when the relay does not keep up, ST_TOO_LARGE over 64 MiB. */
enum status handover_send(int socket, const struct handover *handover, int connection, struct arena *arena) MUST_CHECK;

/* Receives one message, if there is one: ST_OK with the texts in the arena and the connection's descriptor the
 * caller's; ST_NOT_FOUND when none waits; ST_INVALID for one that cannot be read, or for which there is no memory (its
 * descriptors are closed); ST_UNAVAILABLE when the socket is closed. */
enum status handover_receive(int socket, struct arena *arena, struct handover *handover, int *connection) MUST_CHECK;

#endif
