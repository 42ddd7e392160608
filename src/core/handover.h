/*
 * What a worker gives a relay: a turn to run, a connection that wants to watch one, or word that somebody asked to
 * stop. Plain data; how it travels is relay/handover.h's.
 */
#ifndef PARLEY_CORE_HANDOVER_H
#define PARLEY_CORE_HANDOVER_H

#include <stdbool.h>

#include "base/uuid.h"

#define HANDOVER_ID_MAX 9007199254740991 /* 2^53 - 1: exact in every JSON reader */

enum handover_kind {
    HANDOVER_NONE,
    HANDOVER_TURN,  /* begin a turn (it is stored) and let this connection watch it */
    HANDOVER_WATCH, /* let this connection watch a turn, running or ended */
    HANDOVER_STOP,  /* somebody asked this turn to stop (it is stored): look now. No connection */
};

/* How a viewer wants to be told. */
enum viewer_form {
    VIEWER_EVENTS, /* server-sent events with ids */
    VIEWER_JSON,   /* one JSON answer when the turn has ended */
    VIEWER_FRAMES, /* events without ids, of few types, that name the thread: relay/frames.h */
    VIEWER_REPLY,  /* one JSON answer {"response", "thread_id"} when the turn has ended */
};

struct handover {
    enum handover_kind kind;
    unsigned request_id; /* FastCGI's, for the answer's records */
    enum viewer_form form;
    const char *headers; /* "Name: value\r\n" lines of the answer, without its Content-Type and Status */
    const char *thread;  /* VIEWER_FRAMES, VIEWER_REPLY: what the session is called; else NULL */
    bool thread_twice;   /* VIEWER_FRAMES: `done` says it as threadId, too */
    long id_base;        /* VIEWER_EVENTS: added to the turn's event ids */
    long after;          /* the last event id that the viewer has, without id_base */
    struct uuid user, session, turn;
    /* HANDOVER_TURN alone: */
    struct uuid message, user_message;
    const char *title;    /* NULL: none yet */
    bool created;         /* whether the session is new */
    const char *model;    /* NULL: the configured one */
    const char *messages; /* the model's `messages` as a JSON array */
    const char *request;  /* X-Request-Id, for the log */
};

#endif
