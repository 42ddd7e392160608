/*
 * The relay's event loop: epoll, and a binary heap of timers.
 *
 * What must stay true: whoever is called may take away, free or change any watch and any timer, its own too. So an
 * event that was fetched but not yet told is struck out when its watch goes, and told only for what the watch then
 * waits for; timers are rung one by one from the heap, at most as many as there were, so that one which sets itself
 * again does not keep the loop from its descriptors. A descriptor is closed only after it is unwatched.
 */
#include "relay/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define BATCH_MAX   256
#define FIRST_CAP   64
#define ALWAYS_TOLD (EPOLLERR | EPOLLHUP)

struct loop {
    int epoll_fd;
    /* Events fetched; those from `told` on are still to be told. data.ptr NULL: its watch is gone. */
    struct epoll_event event[BATCH_MAX];
    int told, fetched;
    /* heap[1] is the next to ring; heap[i] is not later than heap[2i] and heap[2i + 1]. */
    struct loop_timer **heap;
    unsigned count, cap;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->cap = FIRST_CAP;
    loop->heap = malloc((loop->cap + 1) * sizeof(*loop->heap));
    if (loop->epoll_fd < 0 || !loop->heap) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
}

bool loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (!events) {
        loop_unwatch(loop, watch);
        return true;
    }
    if (watch->events == events)
        return true;
    if (epoll_ctl(loop->epoll_fd, watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        log_event(LOG_LEVEL_ERROR, "watch_failed", log_int("fd", watch->fd), log_int("errno", errno));
        return false;
    }
    watch->events = events;
    return true;
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch)
{
    if (!watch->events)
        return;
    watch->events = 0;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->told; i < loop->fetched; i++)
        if (loop->event[i].data.ptr == watch)
            loop->event[i].data.ptr = NULL;
}

static void heap_put(struct loop *loop, unsigned index, struct loop_timer *timer)
{
    loop->heap[index] = timer;
    timer->index = index;
}

/* Moves the timer at index to where its moment belongs. */
static void heap_settle(struct loop *loop, unsigned index)
{
    struct loop_timer *timer = loop->heap[index];
    while (index > 1 && loop->heap[index / 2]->at > timer->at) {
        heap_put(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    for (unsigned child; (child = 2 * index) <= loop->count; index = child) {
        if (child < loop->count && loop->heap[child + 1]->at < loop->heap[child]->at)
            child++;
        if (loop->heap[child]->at >= timer->at)
            break;
        heap_put(loop, index, loop->heap[child]);
    }
    heap_put(loop, index, timer);
}

static bool heap_add(struct loop *loop, struct loop_timer *timer)
{
    if (loop->count == loop->cap) {
        unsigned cap = loop->cap * 2;
        struct loop_timer **heap = realloc(loop->heap, ((size_t)cap + 1) * sizeof(*heap));
        if (!heap)
            return false;
        loop->heap = heap;
        loop->cap = cap;
    }
    heap_put(loop, ++loop->count, timer);
    heap_settle(loop, loop->count);
    return true;
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
    unsigned index = timer->index;
    struct loop_timer *last = loop->heap[loop->count--];
    timer->index = 0;
    if (last == timer)
        return;
    heap_put(loop, index, last);
    heap_settle(loop, index);
}

bool loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t at)
{
    timer->at = at;
    if (at == INT64_MAX) {
        if (timer->index)
            heap_remove(loop, timer);
        return true;
    }
    if (timer->index) {
        heap_settle(loop, timer->index);
        return true;
    }
    if (heap_add(loop, timer))
        return true;
    timer->at = INT64_MAX;
    return false;
}

/* How long epoll may wait: -1 is for ever. */
static int wait_ms(const struct loop *loop, int max_ms)
{
    if (!loop->count)
        return max_ms;
    int64_t left = loop->heap[1]->at - clock_monotonic_ms();
    if (left < 0)
        left = 0;
    if (left > INT_MAX)
        left = INT_MAX;
    return max_ms >= 0 && max_ms < left ? max_ms : (int)left;
}

static void tell_events(struct loop *loop)
{
    while (loop->told < loop->fetched) {
        const struct epoll_event *event = &loop->event[loop->told++];
        struct loop_watch *watch = event->data.ptr;
        uint32_t events = watch ? event->events & (watch->events | ALWAYS_TOLD) : 0;
        if (events)
            watch->ready(watch, events);
    }
}

static void ring_timers(struct loop *loop)
{
    if (!loop->count)
        return;
    int64_t now = clock_monotonic_ms();
    for (unsigned left = loop->count; left && loop->count && loop->heap[1]->at <= now; left--) {
        struct loop_timer *timer = loop->heap[1];
        heap_remove(loop, timer);
        timer->at = INT64_MAX;
        timer->ring(timer);
    }
}

void loop_turn(struct loop *loop, int max_ms, const sigset_t *mask)
{
    loop->told = 0;
    loop->fetched = 0;
    int got = epoll_pwait(loop->epoll_fd, loop->event, BATCH_MAX, wait_ms(loop, max_ms), mask);
    if (got < 0 && errno != EINTR)
        log_event(LOG_LEVEL_ERROR, "wait_failed", log_int("errno", errno));
    loop->fetched = got > 0 ? got : 0;
    tell_events(loop);
    ring_timers(loop);
}
