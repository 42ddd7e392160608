/*
 * The relay's event loop: epoll and a timer a thing, nothing else.
 *
 * Why epoll by hand and not a library: the relay waits for descriptors (curl's, viewers', one database connection, the
 * hand-over socket) and for some deadlines, on Linux, in one thread; that is a page of code, and curl's socket
 * interface wants just this. Nothing called from the loop may block.
 */
#ifndef PARLEY_RELAY_LOOP_H
#define PARLEY_RELAY_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Events as in epoll(7): EPOLLIN, EPOLLOUT, EPOLLRDHUP; EPOLLERR and EPOLLHUP always come. Embedded in whoever watches;
 * the loop keeps the pointer until loop_unwatch. */
struct loop_watch {
    int fd;
    uint32_t events; /* 0: not watched */
    void (*ready)(struct loop_watch *watch, uint32_t events);
};

/* A moment at which `ring` is called once, clock_monotonic_ms. Embedded in whoever waits. */
struct loop_timer {
    int64_t at;     /* INT64_MAX: off */
    unsigned index; /* the loop's own: place in its heap, 0: not in it */
    void (*ring)(struct loop_timer *timer);
};

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Watches a descriptor, or changes for what. False: memory is out. A ready function may unwatch and free any watch, its
 * own too. */
bool loop_watch(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/* Sets, moves or (INT64_MAX) takes back a timer. False: memory is out. */
bool loop_set_timer(struct loop *loop, struct loop_timer *timer, int64_t at);

/* Waits once (at most until the next timer, at most max_ms) with the signal mask in force meanwhile, and calls what is
 * due. */
void loop_turn(struct loop *loop, int max_ms, const sigset_t *mask);

#endif
