/* Messages of a session: a page of the active path, one more at its end or beside it. */
#ifndef PARLEY_CORE_MESSAGE_H
#define PARLEY_CORE_MESSAGE_H

#include "core/call.h"

#define MESSAGE_PAGE_MAX 200

/* For front ends that read a whole session at once. */
#define MESSAGE_HISTORY_MAX   1000
#define MESSAGE_HISTORY_BYTES (4U * 1048576)

/* As parent of a new message: none, so that it is another first message. */
#define MESSAGE_NO_PARENT "00000000-0000-0000-0000-000000000000"

struct message {
    struct uuid id;
    int64_t seq;
    const char *parent_id; /* NULL: a first one */
    int64_t sibling_index, sibling_count;
    const char *role, *content;
    size_t content_len;
    const char *tool_calls, *metadata; /* JSON; NULL: none */
    const char *turn_id;
    const char *status;                 /* complete; of an answer its turn's: streaming, stopped, failed, interrupted */
    const char *tokens, *prompt_tokens; /* that the model wrote and read: numbers; NULL: not an answer */
    const char *tokens_estimated;       /* whether they are: true or false; NULL: not an answer */
    const char *created_at;
};

enum message_from {
    MESSAGE_LAST,   /* the last `limit` of the active path */
    MESSAGE_BEFORE, /* those before seq `at` */
    MESSAGE_AFTER,  /* those after seq `at` */
    MESSAGE_OFFSET, /* those after the first `at` */
    MESSAGE_ALL,    /* of all branches, after seq `at` */
};

struct message_range {
    enum message_from from;
    unsigned limit; /* 1 to MESSAGE_PAGE_MAX; with MESSAGE_HISTORY_BYTES to MESSAGE_HISTORY_MAX */
    long at;
    size_t bytes; /* of text at most, about, for MESSAGE_LAST and MESSAGE_BEFORE; 0: as a request may bring */
};

/* Always oldest first, whichever way it was read. Has fewer than the limit where messages are long. */
struct message_page {
    unsigned count;
    bool more; /* whether there are more in the direction of reading */
    struct message *message;
};

struct message_new {
    struct uuid id;
    const char *role, *content;
    const char *tool_calls, *metadata; /* JSON text; NULL: none */
    const char *turn_id;               /* NULL: none */
    const char *parent_id;             /* NULL: the end of the active path */
};

/* Whether messages can have this role: user, assistant, system or tool. */
bool message_role_is_known(const char *role);

/* ST_NOT_FOUND for a session that is not there. An answer that is being written has the text that was saved so far; one
 * whose process is gone is ended as interrupted first (a second transaction, only where a page has such an answer). */
enum status message_page(struct call *call, const struct uuid *session, const struct message_range *range,
                         struct message_page *page) MUST_CHECK;

/* Stores it; with ST_OK it is on disk. ST_NOT_FOUND for a session or parent that is not there. */
enum status message_append(struct call *call, const struct uuid *session, const struct message_new *new_message,
                           struct message *message) MUST_CHECK;

/* Runs the call and reads the one message that rows must hold. */
enum status message_run_for_one(struct call *call, const struct db_rows *rows, struct message *message) MUST_CHECK;

#endif
