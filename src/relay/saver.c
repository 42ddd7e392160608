/*
 * Gathering what turns ask of the database into batches.
 *
 * What must stay true: a list's jobs wait equally long, so that each list is in the order of its moments; jobs of a
 * batch stand in the order of their users, and of a user's sessions, so that two processes that lock several of these
 * rows never wait for one another; parameters live until the batch is answered.
 */
#include "relay/saver.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "db/batch.h"
#include "relay/loop.h"

/* Batches that nobody is in a hurry for start this far apart at least, and take along what is due within it. */
#define PACE_MS 50
/* After a batch that the database did not answer. */
#define PAUSE_MS 500
/* Parameters of one batch: as many texts as fit, and room for the longest one as text and as JSON in any case. */
#define ARENA_BASE ((size_t)16 << 20)
/* A batch that has so much takes no more: libpq keeps a buffer of the longest for good. */
#define BATCH_BYTES ((size_t)4 << 20)

struct job_list {
    struct saver_job *first, *last;
};

struct saver {
    struct loop *loop;
    struct batch *batch;
    struct arena *arena;
    struct job_list waiting[SAVER_WAITS];
    unsigned at_most; /* jobs of a batch: fewer after one that was not answered, which may just have been too much */
    bool hurry;       /* somebody planned for now */
    int64_t next_start;
    bool away; /* said in the log */
    struct loop_watch watch;
    struct loop_timer timer;
};

static const int64_t wait_ms[SAVER_WAITS] = {[SAVER_POLL] = 300, [SAVER_SOON] = 500, [SAVER_IDLE] = 5000};

/* --- lists --- */

static void list_append(struct job_list *list, struct saver_job *job)
{
    job->next = NULL;
    job->previous = list->last;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static void list_remove(struct job_list *list, struct saver_job *job)
{
    if (job->next)
        job->next->previous = job->previous;
    else
        list->last = job->previous;
    if (job->previous)
        job->previous->next = job->next;
    else
        list->first = job->next;
    job->next = job->previous = NULL;
}

static void wait_in(struct saver *saver, struct saver_job *job, enum saver_wait wait, int64_t at)
{
    job->state = SAVER_WAITING;
    job->wait = wait;
    job->at = at;
    list_append(&saver->waiting[wait], job);
}

void saver_plan(struct saver *saver, struct saver_job *job, enum saver_wait wait)
{
    int64_t at = clock_monotonic_ms() + wait_ms[wait];
    if (job->state == SAVER_FLYING || (job->state == SAVER_WAITING && job->at <= at))
        return;
    if (job->state == SAVER_WAITING)
        list_remove(&saver->waiting[job->wait], job);
    wait_in(saver, job, wait, at);
    saver->hurry |= wait == SAVER_NOW;
}

bool saver_forget(struct saver *saver, struct saver_job *job)
{
    if (job->state == SAVER_FLYING)
        return false;
    if (job->state == SAVER_WAITING)
        list_remove(&saver->waiting[job->wait], job);
    job->state = SAVER_OFF;
    return true;
}

/* --- the connection --- */

/* The descriptor may be another one, with the same number, after every step: it is registered anew each time. */
static void stop_watching(struct saver *saver)
{
    if (saver->watch.events)
        loop_unwatch(saver->loop, &saver->watch);
}

static void start_watching(struct saver *saver)
{
    uint32_t events = EPOLLIN | (batch_wants_write(saver->batch) ? (uint32_t)EPOLLOUT : 0);
    saver->watch.fd = batch_fd(saver->batch);
    if (saver->watch.fd >= 0)
        (void)loop_watch(saver->loop, &saver->watch, events);
}

static void step(struct saver *saver)
{
    stop_watching(saver);
    batch_step(saver->batch);
    start_watching(saver);
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    step((struct saver *)(void *)((char *)watch - offsetof(struct saver, watch)));
}

/* saver_round, which comes right after this, does what is due. */
static void on_timer(struct loop_timer *timer)
{
    (void)timer;
}

/* --- batches --- */

static void say_away(struct saver *saver, bool away)
{
    if (saver->away == away)
        return;
    saver->away = away;
    if (away)
        log_event(LOG_LEVEL_ERROR, "turns_not_saved", log_str("then", "they are kept in memory and tried again"));
    else
        log_event(LOG_LEVEL_INFO, "turns_saved_again", log_str("then", "what was kept is saved"));
}

/* Each owner plans its job again or frees it. */
static void on_done(void *context, struct batch_item *items, unsigned count)
{
    struct saver *saver = context;
    unsigned unknown = 0;
    for (unsigned i = 0; i < count; i++) {
        struct saver_job *job = items[i].owner;
        job->state = SAVER_OFF;
        unknown += items[i].status == ST_UNAVAILABLE;
        job->answered(job, &items[i]);
    }
    if (unknown == count)
        saver->next_start = clock_monotonic_ms() + PAUSE_MS;
    if (unknown)
        saver->at_most = count > 1 ? count / 2 : 1;
    else
        saver->at_most = saver->at_most < BATCH_ITEMS_MAX / 2 ? saver->at_most * 2 : BATCH_ITEMS_MAX;
    say_away(saver, unknown == count);
    arena_reset(saver->arena);
}

/* Whatever is due, or nearly, stands behind what has to go now. */
static void gather_due(struct saver *saver, int64_t now)
{
    for (unsigned wait = SAVER_NOW + 1; wait < SAVER_WAITS; wait++)
        for (struct saver_job *job; (job = saver->waiting[wait].first) && job->at <= now + PACE_MS;) {
            list_remove(&saver->waiting[wait], job);
            wait_in(saver, job, SAVER_NOW, job->at);
        }
}

static int compare_rows(const void *a, const void *b)
{
    const struct saver_job *one = ((const struct batch_item *)a)->owner, *other = ((const struct batch_item *)b)->owner;
    int order = strcmp(one->user->text, other->user->text);
    return order ? order : strcmp(one->session->text, other->session->text);
}

/* Asks jobs for their queries, in the order in which they became due, until the batch is full; users stand together in
 * it, and in one order. A job that finds no room goes with a later batch. */
static unsigned ask_jobs(struct saver *saver, struct batch_item *items)
{
    unsigned asked = 0;
    for (struct saver_job *job;
         asked < saver->at_most && arena_used(saver->arena) < BATCH_BYTES && (job = saver->waiting[SAVER_NOW].first);) {
        list_remove(&saver->waiting[SAVER_NOW], job);
        items[asked] = (struct batch_item){.user = *job->user, .owner = job};
        if (job->ask(job, &items[asked], saver->arena)) {
            job->state = SAVER_FLYING;
            asked++;
        } else {
            job->state = SAVER_OFF;
            saver_plan(saver, job, SAVER_SOON);
        }
    }
    qsort(items, asked, sizeof(*items), compare_rows);
    return asked;
}

static void start_batch(struct saver *saver, int64_t now)
{
    struct batch_item items[BATCH_ITEMS_MAX];
    gather_due(saver, now);
    unsigned count = ask_jobs(saver, items);
    saver->hurry = saver->waiting[SAVER_NOW].first != NULL;
    saver->next_start = now + PACE_MS;
    if (!count) {
        /* What did not fit has taken room all the same. */
        arena_reset(saver->arena);
        return;
    }
    stop_watching(saver);
    batch_start(saver->batch, items, count);
    start_watching(saver);
}

/* When the next batch is to start. */
static int64_t next_due(const struct saver *saver)
{
    int64_t at = INT64_MAX;
    for (unsigned wait = 0; wait < SAVER_WAITS; wait++)
        if (saver->waiting[wait].first && saver->waiting[wait].first->at < at)
            at = saver->waiting[wait].first->at;
    if (at == INT64_MAX)
        return at;
    /* After a failure even a hurry waits. */
    bool wait_for_pace = !saver->hurry || saver->away;
    return wait_for_pace && at < saver->next_start ? saver->next_start : at;
}

void saver_round(struct saver *saver)
{
    int64_t now = clock_monotonic_ms();
    if (batch_is_busy(saver->batch) && batch_deadline(saver->batch) <= now)
        step(saver);
    if (!batch_is_busy(saver->batch) && next_due(saver) <= now)
        start_batch(saver, now);
    int64_t at = batch_is_busy(saver->batch) ? batch_deadline(saver->batch) : next_due(saver);
    if (at != saver->timer.at)
        (void)loop_set_timer(saver->loop, &saver->timer, at);
}

/* --- its life --- */

struct saver *saver_new(struct loop *loop, const struct settings *settings)
{
    struct saver *saver = calloc(1, sizeof(*saver));
    if (!saver)
        return NULL;
    saver->loop = loop;
    saver->at_most = BATCH_ITEMS_MAX;
    saver->watch = (struct loop_watch){.fd = -1, .ready = on_ready};
    saver->timer = (struct loop_timer){.at = INT64_MAX, .ring = on_timer};
    saver->arena = arena_new(ARENA_BASE + 16 * (size_t)settings->max_answer_bytes);
    saver->batch = batch_new(settings, on_done, saver);
    if (saver->arena && saver->batch)
        return saver;
    saver_free(saver);
    return NULL;
}

void saver_free(struct saver *saver)
{
    if (!saver)
        return;
    stop_watching(saver);
    (void)loop_set_timer(saver->loop, &saver->timer, INT64_MAX);
    batch_free(saver->batch);
    arena_free(saver->arena);
    free(saver);
}
