/*
 * A turn as its viewers see it: its log, how far they may see, who they are.
 *
 * Two kinds of owners have one: a stream, whose turn runs in this process, and a follower, whose turn runs elsewhere.
 * They add to the log and touch the audience; once a round of the loop all that were touched are settled: viewers are
 * told what is new, then the owner looks whether its time has come. So nothing is freed under the feet of who calls,
 * and what came in one round leaves in one event.
 */
#ifndef PARLEY_RELAY_AUDIENCE_H
#define PARLEY_RELAY_AUDIENCE_H

#include <stdbool.h>

#include "base/uuid.h"
#include "relay/turn_log.h"

struct audience;
struct relay;
struct viewer;

#define AUDIENCE_BUCKETS 4096

/* What its owner does. */
struct audience_kind {
    void (*settled)(struct audience *audience);   /* after viewers were told; may free it */
    void (*stop)(struct audience *audience);      /* somebody asked to stop the turn */
    void (*interrupt)(struct audience *audience); /* this process ends */
    void (*free)(struct audience *audience);      /* the process ends now */
};

/* Embedded first in its owner. */
struct audience {
    struct relay *relay;
    const struct audience_kind *kind;
    struct uuid user, session, turn;
    struct turn_log log;
    long visible;     /* up to which id viewers may see */
    bool over;        /* nothing comes behind `visible` */
    char *last_words; /* an event without an id behind it: how it ended when the log does not say; or NULL */
    struct viewer *viewers;
    struct audience *chain; /* in its bucket */
    struct audience *next, *previous;
    struct audience *next_touched;
    bool touched;
};

/* All audiences of a relay, by turn. */
struct audience_table {
    struct audience *bucket[AUDIENCE_BUCKETS];
    struct audience *first;
    struct audience *touched;
    unsigned count;
};

void audience_init(struct audience *audience, struct relay *relay, const struct audience_kind *kind,
                   const struct uuid *user, const struct uuid *session, const struct uuid *turn);

/* Closes its viewers and takes it out of the table. */
void audience_fini(struct audience *audience);

/* The turn's audience, if that turn is the user's; NULL: none. The one that came last, when there are two. */
struct audience *audience_find(const struct audience_table *table, const struct uuid *user, const struct uuid *turn);

/* Something is new: it will be settled in this round. */
void audience_touch(struct audience *audience);

/* Ends it with an error behind the log. */
void audience_fail(struct audience *audience, const char *code, const char *message);

/* Settles all that were touched. */
void audience_settle_all(struct audience_table *table);

#endif
