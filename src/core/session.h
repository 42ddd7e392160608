/* Chat sessions: listed, made, changed, hidden, restored, removed; always the call's user's own. */
#ifndef PARLEY_CORE_SESSION_H
#define PARLEY_CORE_SESSION_H

#include "core/call.h"

#define SESSION_LIST_MAX  100
#define SESSION_ALL_MAX   1000 /* for front ends that read the whole list at once */
#define SESSION_TITLE_MAX 200  /* characters */

/* Where a list without a cursor begins: before the newest. */
#define SESSION_FIRST_TIME "infinity"
#define SESSION_FIRST_ID   "ffffffff-ffff-ffff-ffff-ffffffffffff"

struct session {
    struct uuid id;
    const char *title, *preview; /* NULL before the first message */
    int64_t message_count;       /* on the active path */
    bool is_active;
    const char *helper, *project_id;                       /* NULL: none */
    const char *created_at, *updated_at, *last_message_at; /* RFC 3339 */
    int64_t prompt_tokens, completion_tokens;              /* of all its turns */
    bool tokens_estimated;                                 /* some of them */
    const char *thread_name;                               /* NULL: thread-<id> */
};

struct session_filter {
    unsigned limit;         /* 1 to SESSION_ALL_MAX */
    const char *project_id; /* NULL: any */
    const char *helper;     /* NULL: any */
    const char *is_active;  /* "true", "false", NULL: any */
    const char *after_time; /* the last row that was seen: its last_message_at and id; NULL: from the newest */
    const char *after_id;
};

struct session_list {
    unsigned count; /* at most filter.limit */
    bool more;      /* whether there are older ones */
    struct session *session;
};

/* A title of NULL is automatic. */
struct session_new {
    struct uuid id;
    const char *title, *project_id, *helper;
};

/* A field that is not set stays. A title of NULL becomes automatic again. */
struct session_change {
    bool set_title, set_project, set_helper;
    const char *title, *project_id, *helper;
    const char *is_active; /* "true", "false", NULL: stays */
};

/* Newest first. */
enum status session_list(struct call *call, const struct session_filter *filter, struct session_list *list) MUST_CHECK;

/* ST_TOO_MANY beyond a quota; ST_NOT_FOUND for a project that is not the user's. */
enum status session_create(struct call *call, const struct session_new *new_session,
                           struct session *session) MUST_CHECK;

/* The following answer ST_NOT_FOUND for a session that is hidden, another's or not there. */
enum status session_get(struct call *call, const struct uuid *id, struct session *session) MUST_CHECK;
enum status session_update(struct call *call, const struct uuid *id, const struct session_change *change,
                           struct session *session) MUST_CHECK;

/* Hides it until it is restored or settings->restore_days are over. */
enum status session_hide(struct call *call, const struct uuid *id) MUST_CHECK;

/* Removes it for good, hidden or not. */
enum status session_remove(struct call *call, const struct uuid *id) MUST_CHECK;

/* Shows a hidden one again. */
enum status session_restore(struct call *call, const struct uuid *id, struct session *session) MUST_CHECK;

/* Switches to the branch that holds the message. ST_NOT_FOUND for an unknown message too. */
enum status session_activate(struct call *call, const struct uuid *id, const struct uuid *message,
                             struct session *session) MUST_CHECK;

#endif
