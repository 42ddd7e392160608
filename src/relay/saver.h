/*
 * What the turns of this process ask of the database, gathered into batches: one transaction, one flush for many.
 *
 * Who wants something embeds a job and plans it; when its time comes the job writes its query into the next batch and
 * is told the answer. One batch is under way at a time; what wants to go meanwhile goes with the next one.
 */
#ifndef PARLEY_RELAY_SAVER_H
#define PARLEY_RELAY_SAVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

struct arena;
struct batch_item;
struct loop;
struct saver;
struct settings;

/* How long a job may wait. */
enum saver_wait {
    SAVER_NOW,
    SAVER_POLL, /* 300 ms: what others have written */
    SAVER_SOON, /* 500 ms: new text; a job that failed */
    SAVER_IDLE, /* 5 s: a lease */
    SAVER_WAITS,
};

enum saver_state { SAVER_OFF, SAVER_WAITING, SAVER_FLYING };

/* The owner sets user, session, ask and answered; zero for the rest. */
struct saver_job {
    const struct uuid *user, *session;
    /* Writes query and parameters, which live in the arena. False: it has no room, ask again. */
    bool (*ask)(struct saver_job *job, struct batch_item *item, struct arena *arena);
    /* The item has a status. The job is off and may be planned again or freed. */
    void (*answered)(struct saver_job *job, struct batch_item *item);
    struct saver_job *next, *previous;
    enum saver_state state;
    enum saver_wait wait;
    int64_t at;
};

/* NULL: memory is out. Loop and settings must stay. */
struct saver *saver_new(struct loop *loop, const struct settings *settings);

/* Jobs that wait or fly are forgotten. NULL is allowed. */
void saver_free(struct saver *saver);

/* The job goes after that time at the latest; one that is to go earlier stays so, and one that flies is left alone: its
 * answer is the moment to plan it again. */
void saver_plan(struct saver *saver, struct saver_job *job, enum saver_wait wait);

/* Takes back a job that waits. False: it flies, and will be answered. */
bool saver_forget(struct saver *saver, struct saver_job *job);

/* Starts a batch when one is due: to be called once each round of the loop. */
void saver_round(struct saver *saver);

#endif
