/* Transcripts: whole sessions as arrays of {role, content}, saved and listed; always the call's user's own. */
#ifndef PARLEY_CORE_TRANSCRIPT_H
#define PARLEY_CORE_TRANSCRIPT_H

#include "core/call.h"

#define TRANSCRIPT_MESSAGES_MAX 2000 /* in one that is saved */
#define TRANSCRIPT_LIST_MAX     1000

struct transcript {
    struct uuid session;
    const char *messages;                                  /* a JSON array */
    int64_t omitted;                                       /* older messages that found no room in it */
    const char *created_at, *updated_at, *last_message_at; /* RFC 3339 */
};

struct transcript_new {
    struct uuid session;
    bool named;           /* by the client; else it is the id for a new session */
    const char *messages; /* a JSON array of {role, content} that were checked */
    size_t count;         /* how many, at most TRANSCRIPT_MESSAGES_MAX */
};

struct transcript_page {
    unsigned count;
    bool more;
    struct transcript *transcript;
};

/* Appends what the session does not have yet, in one transaction. Where none is named it is the person's newest, if
 * the messages begin with all that it has and go on after that, else a new one. ST_CONFLICT "messages_conflict" when
 * the messages do not begin with those of the session's active path: nothing is stored then; "turn_in_progress" while
 * an answer is being written. ST_NOT_FOUND without the session; ST_TOO_MANY beyond a quota. */
enum status transcript_save(struct call *call, const struct transcript_new *new_transcript,
                            struct transcript *transcript) MUST_CHECK;

/* Newest first, past the row that after_time and after_id name (NULL: from the newest): at most limit, and not more
 * than about bytes of JSON, but one at least. */
enum status transcript_list(struct call *call, unsigned limit, size_t bytes, const char *after_time,
                            const char *after_id, struct transcript_page *page) MUST_CHECK;

#endif
