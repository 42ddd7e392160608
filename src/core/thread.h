/*
 * Threads: sessions by the names under which older front ends know them.
 *
 * A name is `thread-<session_id>` (or the bare id), `user-<user_id>` for a person's default thread, or one that came
 * with moved data. A name that is not there and another's name are the same: not found.
 */
#ifndef PARLEY_CORE_THREAD_H
#define PARLEY_CORE_THREAD_H

#include "core/call.h"

#define THREAD_NAME_MAX    200 /* characters */
#define THREAD_HISTORY_MAX 1000
#define THREAD_LIST_MAX    1000
#define THREAD_SEQ_MAX     2147483647

struct thread_name {
    const char *text; /* in the form it is kept in */
    const char *id;   /* of the session that it holds; NULL: none */
};

/* A thread to go on with. */
struct thread {
    struct uuid session;
    const char *name;
    bool created;
};

/* What was said, by the user or the assistant. */
struct thread_line {
    int64_t seq;
    const char *role, *content;
    const char *created_at; /* RFC 3339 */
};

/* Oldest first. */
struct thread_history {
    struct uuid session; /* only where there are lines */
    const char *name;
    int64_t message_count; /* of the whole session */
    unsigned count;
    bool more; /* whether there are older ones */
    struct thread_line *line;
};

struct thread_item {
    struct uuid session;
    const char *name, *title, *preview; /* "" where there is none */
    int64_t message_count;
    const char *last_message_at;
};

/* Threads in which something was said, newest first; what they come to with those that are not listed, or one of them
 * does. Tokens are always the person's. */
struct thread_list {
    unsigned count;
    bool more;
    struct thread_item *item;
    int64_t messages, tokens;
    const char *first_at, *last_at; /* NULL: there are none */
};

/* Reads a name as somebody wrote it, any text; false: memory is out. */
bool thread_name_read(struct arena *arena, const char *given, struct thread_name *name) MUST_CHECK;

/* The name of a session that was just made, and of a person's default thread. NULL: memory is out. */
const char *thread_name_of_session(struct arena *arena, const struct uuid *session);
const char *thread_name_of_user(struct arena *arena, const struct uuid *user);

/* The session of that name; ST_NOT_FOUND "thread_not_found". The call's transaction stays open: go on in it. */
enum status thread_find(struct call *call, const struct thread_name *name, struct uuid *session) MUST_CHECK;

/* The same, but a name that may begin anew gets a new session: the person's default thread, and one that was deleted,
 * because front ends go on with the name that they hold. ST_TOO_MANY beyond a quota. */
enum status thread_open(struct call *call, const struct thread_name *name, struct thread *thread) MUST_CHECK;

/* The newest lines before seq `before`, at most limit, fewer where they are long. ST_NOT_FOUND "thread_not_found", but
 * a person's default thread is empty before something is said. */
enum status thread_history(struct call *call, const struct thread_name *name, long before, unsigned limit,
                           struct thread_history *history) MUST_CHECK;

/* A page of threads past the row with that last_message_at and session; after_time NULL: from the newest. counted names
 * the thread whose totals are wanted; NULL: those of all. */
enum status thread_list(struct call *call, unsigned limit, const char *after_time, const char *after_id,
                        const char *counted, struct thread_list *list) MUST_CHECK;

/* Hides a thread, or all of the person's sessions, until they are restored or settings->restore_days are over.
 * ST_NOT_FOUND "thread_not_found", but never for a person's default thread. */
enum status thread_hide(struct call *call, const struct thread_name *name) MUST_CHECK;
enum status thread_hide_all(struct call *call) MUST_CHECK;

#endif
