/*
 * Threads: sessions by the names under which older front ends know them.
 *
 * A name is `thread-<session_id>` (or the bare id), `user-<user_id>` for a person's default thread, or one that came
 * with moved data. A name that is not there and another's name are the same: not found.
 */
#ifndef PARLEY_CORE_THREAD_H
#define PARLEY_CORE_THREAD_H

#include "core/call.h"

#define THREAD_NAME_MAX 200 /* characters */

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

#endif
