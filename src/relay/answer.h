/*
 * An ended turn as one JSON answer: the text, or why there is none. All of it is read from the turn's events, so that
 * it does not matter which process ran the turn.
 */
#ifndef PARLEY_RELAY_ANSWER_H
#define PARLEY_RELAY_ANSWER_H

struct arena;
struct audience;
struct buf;

/* Header block and body of an audience that is over. thread: what the session is called, for {"response", "thread_id"}
 * alone; NULL: all that is known of the turn. headers: further "Name: value\r\n" lines; request: its id, may be
 * NULL. What is read on the way stays in the arena. */
void answer_write(const struct audience *audience, const char *thread, const char *headers, const char *request,
                  struct arena *arena, struct buf *out);

/* The same for a turn that nobody will tell of: a problem with status 503 (or the code's own) by itself. */
void answer_write_problem(const char *code, const char *detail, const char *headers, const char *request,
                          struct arena *arena, struct buf *out);

#endif
