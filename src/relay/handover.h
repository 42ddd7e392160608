/*
 * Handing a connection over: what a worker sends a relay, and how.
 *
 * A message is a byte of kind with two descriptors (SCM_RIGHTS): the FastCGI connection, and an anonymous file (memfd) that holds the rest as one JSON
 * object, so that a long history fits. The socket is a SOCK_SEQPACKET pair made by the master before any fork: messages that wait in it outlive a dead
 * relay and reach the next one.
 */
#ifndef PARLEY_RELAY_HANDOVER_H
#define PARLEY_RELAY_HANDOVER_H

#include <stdbool.h>

#include "base/status.h"
#include "base/uuid.h"

struct arena;
struct json;

enum handover_kind {
    HANDOVER_TURN,  /* begin a turn (it is stored) and let this connection watch it */
    HANDOVER_WATCH, /* let this connection watch a turn that runs */
    HANDOVER_STOP,  /* somebody asked this turn to stop (it is stored): look now. No connection */
};

/* How a viewer wants to be told. */
enum viewer_form {
    VIEWER_EVENTS, /* server-sent events with ids */
    VIEWER_JSON,   /* one JSON answer when the turn has ended */
};

struct handover {
    enum handover_kind kind;
    unsigned request_id; /* FastCGI's, for the answer's records */
    enum viewer_form form;
    const char *headers; /* "Name: value\r\n" lines of the answer, without its Content-Type and Status */
    long after;          /* the last event id that the viewer has */
    struct uuid user, session, turn;
    /* HANDOVER_TURN alone: */
    struct uuid message, user_message;
    const char *title;    /* NULL: none yet */
    bool created;         /* whether the session is new */
    const char *model;    /* NULL: the configured one */
    const char *messages; /* the model's `messages` as a JSON array */
    const char *request;  /* X-Request-Id, for the log */
};

/* Makes the socket pair: ends[0] is the relay's, ends[1] the workers'. */
enum status handover_pair(int ends[2]) MUST_CHECK;

/* Sends; the caller keeps (and closes) its own connection descriptor, -1 for HANDOVER_STOP. Never waits: ST_UNAVAILABLE when the relay does not keep up. */
enum status handover_send(int socket, const struct handover *handover, int connection, struct arena *arena) MUST_CHECK;

/* Receives one message, if there is one: ST_OK with the texts in the arena and the connection's descriptor the caller's; ST_NOT_FOUND when none waits;
 * ST_INVALID for one that cannot be read (its descriptors are closed); ST_UNAVAILABLE when the socket is closed. */
enum status handover_receive(int socket, struct arena *arena, struct handover *handover, int *connection) MUST_CHECK;

#endif
