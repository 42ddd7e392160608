/*
 * The events of a turn as one growing log: what viewers are sent, from any point, and what is saved.
 *
 * An event's id is the log's length after it: a token or reasoning event of n bytes of text moves it by n, any other
 * by 1. So ids strictly grow, neighbouring tokens can be joined into one event or a joined one be cut at any id that
 * was ever given out, and a viewer that has seen up to id k needs just what lies behind k: no gap, no repeat, whoever
 * tells it. Behind a part that is stored no more the next event, of another type, lies further on. Viewers see ids with
 * a number added that grows from turn to turn (handover.id_base).
 */
#ifndef PARLEY_RELAY_TURN_LOG_H
#define PARLEY_RELAY_TURN_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct buf;

enum turn_event { TURN_SESSION, TURN_STATUS, TURN_TOKEN, TURN_REASONING, TURN_TOOL_CALL, TURN_DONE, TURN_ERROR };

struct turn_segment {
    enum turn_event type;
    long end;    /* the event's id */
    size_t from; /* where its text (token, reasoning) or JSON object (others) lies in text */
    size_t len;
};

struct turn_log {
    long end; /* id of the last event; 0: none */
    char *text;
    size_t text_len, text_cap;
    struct turn_segment *segment;
    unsigned segments, segments_cap;
};

/* One event, or a part of a text event, as it is told. */
struct turn_piece {
    enum turn_event type;
    const char *text; /* token, reasoning: its text; others: the whole event as JSON */
    size_t len;
    long end; /* the id reached */
};

/* How a piece is written out; `how` is the caller's. False: it is left out. */
typedef bool turn_log_writer(const struct turn_piece *piece, const void *how, struct buf *out);

void turn_log_init(struct turn_log *log);
void turn_log_fini(struct turn_log *log);

/* Adds text; joined to the last event when that is of the same type. n > 0, whole characters. ST_UNAVAILABLE: memory is
 * out, nothing was added. */
enum status turn_log_add_text(struct turn_log *log, enum turn_event type, const char *text, size_t n) MUST_CHECK;

/* Adds any other event; json is the whole event, {"type": ..., ...}. */
enum status turn_log_add_event(struct turn_log *log, enum turn_event type, const char *json) MUST_CHECK;

/* The text of all events of a type (TURN_TOKEN: the answer so far) together, into out. */
void turn_log_text(const struct turn_log *log, enum turn_event type, struct buf *out);

/* Writes what lies in (after, upto], at most about max_bytes of it in one go, but one event at least, without what the
 * writer leaves out; answers the id reached. A text event that `after`, `upto` or max_bytes cuts is given in part. upto
 * is an id that was given out; after may be anything that a client says: it is taken as the nearest id that can be. */
long turn_log_write(const struct turn_log *log, long after, long upto, size_t max_bytes, turn_log_writer *writer,
                    const void *how, struct buf *out);

/* The same as server-sent events: "id: n\ndata: {...}\n\n", with id_base added to each n. */
long turn_log_write_sse(const struct turn_log *log, long id_base, long after, long upto, size_t max_bytes,
                        struct buf *out);

/* The same events as rows to save: a JSON array of {"id", "type", "data"}, data as viewers get it ({"type", "content"}
 * for text). A text event that lies across the id cut_at is given as two rows: what was sent once is so sent again
 * just as it was. */
void turn_log_write_rows(const struct turn_log *log, long after, long cut_at, long upto, struct buf *out);

/* The furthest id to which what lies behind `after`, an id that was given out, is at most so many events and about so
 * many bytes; one event at least, or part of a text. log->end: all of it is. */
long turn_log_reach(const struct turn_log *log, long after, unsigned max_events, size_t max_bytes);

/* The JSON text of the last event when it is done or error, not NUL-terminated; NULL: the log has no end yet. */
const char *turn_log_last_words(const struct turn_log *log, size_t *n);

/* The JSON text of the first event when it is the session's; NULL: it is not. */
const char *turn_log_first_words(const struct turn_log *log, size_t *n);

/* The name of an event's type as it stands in JSON, and back; what nobody knows is a status. */
const char *turn_event_name(enum turn_event type);
enum turn_event turn_event_parse(const char *name);

#endif
