/*
 * Turns: begun, found again, asked to stop. Running them is the relay's.
 *
 * What must stay true: when turn_begin answers ST_OK the user's message is on disk, before any model is asked.
 */
#ifndef PARLEY_CORE_TURN_H
#define PARLEY_CORE_TURN_H

#include "core/call.h"

#define TURN_LEASE_SECONDS 20
#define TURN_EVENTS_MAX    500 /* rows that turn_events reads at once */

struct turn_new {
    struct uuid turn, session, user_message, message; /* made by the caller */
    bool created;                                     /* the session is new, too */
    const char *project_id, *helper;                  /* of a new session; NULL: none */
    const char *model;                                /* NULL: the helper's, or the configured one */
    const char *text;      /* the user's message; NULL: another answer to the message parent_id (or to user_message, if
                              that stands there already, behind parent_id) */
    const char *parent_id; /* as message_append has it */
    const char *key;       /* the idempotency key that was claimed on this call, NULL: none */
    bool copied;           /* the client saves messages itself: the text may stand there already (core/copy.h) */
};

struct turn_begun {
    struct uuid user_message;
    const char *title, *model; /* NULL: none; of the model: the server's own */
    const char *messages;      /* what the model is told: a JSON array of {role, content} */
    long id_base;              /* as in struct turn */
};

struct turn {
    struct uuid id, message, user_message, session;
    const char *thread; /* what the session is called; only of turn_of_key, turn_of_text, turn_of_event */
    bool running;
    long last_event_id; /* of what is saved; 0 a day after its end, when events may be purged */
    long id_base;       /* viewers see id_base + id, which grows within the session */
};

struct turn_row {
    long id;          /* as viewers count */
    const char *data; /* the event as viewers get it, JSON */
    bool names_turn;  /* whether it says itself which turn it is of */
};

struct turn_rows {
    unsigned count;
    struct turn_row *row;
};

/* Stores the user's message, the empty answer and the turn, and reads what the model is to be told. ST_CONFLICT
 * "turn_in_progress" while another runs in the session; ST_TOO_MANY beyond a quota; ST_NOT_FOUND. */
enum status turn_begin(struct call *call, const struct turn_new *new_turn, struct turn_begun *begun) MUST_CHECK;

/* Ends a turn that no relay took: failed, with that code. In a transaction of its own. */
enum status turn_fail(struct call *call, const struct uuid *turn, const char *code, const char *message) MUST_CHECK;

/* The turn of a session that a viewer means who has seen the event `after` (as viewers count; 0 or less: none): the one
 * that it belongs to while there is more of it, else the next; at last the newest. One whose process is gone is ended
 * as interrupted first. ST_NOT_FOUND without a session; *found is false when there was never a turn. */
enum status turn_watched(struct call *call, const struct uuid *session, long after, struct turn *turn,
                         bool *found) MUST_CHECK;

/* For a client that lost its line: the turn that a request with this key began; the newest of the last hour that
 * answers just this text (in that session, where one is given; else none where two may be meant); the one of the
 * session that has this event, as viewers count. Each in a transaction of its own; ST_NOT_FOUND "turn_not_found". */
enum status turn_of_key(struct call *call, const char *key, struct turn *turn) MUST_CHECK;
enum status turn_of_event(struct call *call, const char *session_id, long event, struct turn *turn) MUST_CHECK;
enum status turn_of_text(struct call *call, const char *session_id, const char *text, struct turn *turn) MUST_CHECK;

/* Saved events past an id (as viewers count), oldest first, at most TURN_EVENTS_MAX and, but for the first one, not
 * more text than a request may bring. An id inside a joined text gives the rest of it. */
enum status turn_events(struct call *call, const struct turn *turn, long after, struct turn_rows *rows) MUST_CHECK;

/* Asks the running turn of the session to stop; *running is false when there is none. */
enum status turn_stop(struct call *call, const struct uuid *session, struct uuid *turn, bool *running) MUST_CHECK;

#endif
