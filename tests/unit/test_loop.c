/* The event loop: what is due is called, in order; what is gone is not. */
#include "relay/loop.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

void suite_loop(void);

#define MANY 300

static struct loop *loop;
static unsigned calls;
static uint32_t last_events;

struct thing {
    struct loop_watch watch;
    struct loop_timer timer;
    struct thing *other;
    int pair[2];
    int64_t rung_at;
    unsigned place; /* the how many-th call it was */
};

static struct thing *thing_of_watch(struct loop_watch *watch)
{
    return (struct thing *)watch; /* it stands first */
}

static struct thing *thing_of_timer(struct loop_timer *timer)
{
    return (struct thing *)((char *)timer - offsetof(struct thing, timer));
}

static void count_ready(struct loop_watch *watch, uint32_t events)
{
    char byte;
    calls++;
    last_events = events;
    if (events & EPOLLIN && read(watch->fd, &byte, 1) < 0)
        CU_FAIL("nothing to read");
}

static void count_ring(struct loop_timer *timer)
{
    struct thing *thing = thing_of_timer(timer);
    thing->place = ++calls;
    thing->rung_at = clock_monotonic_ms();
}

static void thing_open(struct thing *thing, void (*ready)(struct loop_watch *watch, uint32_t events))
{
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, thing->pair) == 0);
    thing->watch = (struct loop_watch){.fd = thing->pair[0], .ready = ready};
}

static void thing_close(struct thing *thing)
{
    loop_unwatch(loop, &thing->watch);
    close(thing->pair[0]);
    close(thing->pair[1]);
}

static void poke(const struct thing *thing)
{
    CU_ASSERT_EQUAL(write(thing->pair[1], "x", 1), 1);
}

static int begin(void)
{
    calls = 0;
    loop = loop_new();
    return loop ? 0 : -1;
}

static int end(void)
{
    loop_free(loop);
    return 0;
}

static void loop_tells_what_is_watched_and_nothing_else(void)
{
    struct thing thing = {0};
    calls = 0;
    thing_open(&thing, count_ready);
    CU_ASSERT(loop_watch(loop, &thing.watch, EPOLLIN));
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 0);
    poke(&thing);
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT_EQUAL(last_events, EPOLLIN);
    CU_ASSERT(loop_watch(loop, &thing.watch, EPOLLOUT));
    poke(&thing);
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 2);
    CU_ASSERT_EQUAL(last_events, EPOLLOUT);
    CU_ASSERT(loop_watch(loop, &thing.watch, 0));
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 2);
    thing_close(&thing);
}

static void loop_tells_that_the_peer_has_gone(void)
{
    struct thing thing = {0};
    calls = 0;
    thing_open(&thing, count_ready);
    CU_ASSERT(loop_watch(loop, &thing.watch, EPOLLRDHUP));
    shutdown(thing.pair[1], SHUT_RDWR);
    loop_turn(loop, 1000, NULL);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT(last_events & EPOLLRDHUP);
    thing_close(&thing);
}

static struct thing *dropped, *dropper;

static void drop_other(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    calls++;
    dropper = thing_of_watch(watch);
    dropped = dropper->other;
    thing_close(dropped);
    free(dropped);
}

/* Both are ready in the same batch; whichever comes first frees the other. */
static void loop_forgets_events_of_a_watch_that_is_gone(void)
{
    struct thing *one = calloc(1, sizeof(*one)), *two = calloc(1, sizeof(*two));
    calls = 0;
    CU_ASSERT_FATAL(one && two);
    one->other = two;
    two->other = one;
    thing_open(one, drop_other);
    thing_open(two, drop_other);
    CU_ASSERT(loop_watch(loop, &one->watch, EPOLLIN) && loop_watch(loop, &two->watch, EPOLLIN));
    poke(one);
    poke(two);
    loop_turn(loop, 1000, NULL);
    CU_ASSERT_EQUAL(calls, 1);
    thing_close(dropper);
    free(dropper);
}

static void free_itself(struct loop_watch *watch, uint32_t events)
{
    struct thing *thing = thing_of_watch(watch);
    (void)events;
    calls++;
    thing_close(thing);
    free(thing);
}

static void loop_lets_a_watch_free_itself(void)
{
    struct thing *thing = calloc(1, sizeof(*thing));
    calls = 0;
    CU_ASSERT_FATAL(thing != NULL);
    thing_open(thing, free_itself);
    CU_ASSERT(loop_watch(loop, &thing->watch, EPOLLIN));
    poke(thing);
    loop_turn(loop, 1000, NULL);
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 1);
}

static void stop_waiting(struct loop_watch *watch, uint32_t events)
{
    struct thing *thing = thing_of_watch(watch);
    (void)events;
    calls++;
    loop_watch(loop, &thing->other->watch, EPOLLPRI);
}

/* An event that was fetched for what the watch no longer waits for is not told. */
static void loop_tells_only_what_is_still_waited_for(void)
{
    struct thing one = {0}, two = {0};
    calls = 0;
    one.other = &two;
    two.other = &one;
    thing_open(&one, stop_waiting);
    thing_open(&two, stop_waiting);
    CU_ASSERT(loop_watch(loop, &one.watch, EPOLLIN) && loop_watch(loop, &two.watch, EPOLLIN));
    poke(&one);
    poke(&two);
    loop_turn(loop, 1000, NULL);
    CU_ASSERT_EQUAL(calls, 1);
    thing_close(&one);
    thing_close(&two);
}

static void loop_rings_in_the_order_of_time(void)
{
    static struct thing things[MANY];
    int64_t now = clock_monotonic_ms();
    calls = 0;
    /* 7 and MANY have no common divisor: every moment once, in disorder. */
    for (unsigned i = 0; i < MANY; i++) {
        things[i].timer.ring = count_ring;
        CU_ASSERT(loop_set_timer(loop, &things[i].timer, now - MANY + i * 7 % MANY));
    }
    loop_turn(loop, 1000, NULL);
    CU_ASSERT_EQUAL(calls, MANY);
    for (unsigned i = 0; i < MANY; i++)
        CU_ASSERT_EQUAL(things[i].place, i * 7 % MANY + 1);
}

static void loop_moves_and_takes_back_timers(void)
{
    static struct thing things[MANY];
    int64_t now = clock_monotonic_ms();
    calls = 0;
    for (unsigned i = 0; i < MANY; i++) {
        things[i].timer.ring = count_ring;
        CU_ASSERT(loop_set_timer(loop, &things[i].timer, now + 100000 + i));
    }
    for (unsigned i = 0; i < MANY; i += 3)
        CU_ASSERT(loop_set_timer(loop, &things[i].timer, now - 1));
    for (unsigned i = 1; i < MANY; i += 3)
        CU_ASSERT(loop_set_timer(loop, &things[i].timer, INT64_MAX));
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, MANY / 3);
    for (unsigned i = 0; i < MANY; i++) {
        CU_ASSERT_EQUAL(things[i].place != 0, i % 3 == 0);
        CU_ASSERT_EQUAL(things[i].timer.index != 0, i % 3 == 2);
        CU_ASSERT(loop_set_timer(loop, &things[i].timer, INT64_MAX));
    }
}

static void loop_waits_until_the_next_timer(void)
{
    struct thing thing = {.timer = {.ring = count_ring}};
    int64_t at = clock_monotonic_ms() + 30;
    calls = 0;
    CU_ASSERT(loop_set_timer(loop, &thing.timer, at));
    while (!calls)
        loop_turn(loop, -1, NULL);
    CU_ASSERT(thing.rung_at >= at && thing.rung_at < at + 500);
    int64_t before = clock_monotonic_ms();
    loop_turn(loop, 20, NULL);
    CU_ASSERT(clock_monotonic_ms() - before >= 19);
}

static void ring_again(struct loop_timer *timer)
{
    calls++;
    loop_set_timer(loop, timer, clock_monotonic_ms() - 1);
}

static void loop_is_not_held_by_a_timer_that_sets_itself(void)
{
    struct thing thing = {.timer = {.ring = ring_again}};
    calls = 0;
    CU_ASSERT(loop_set_timer(loop, &thing.timer, clock_monotonic_ms()));
    loop_turn(loop, -1, NULL);
    CU_ASSERT_EQUAL(calls, 1);
    loop_turn(loop, -1, NULL);
    CU_ASSERT_EQUAL(calls, 2);
    CU_ASSERT(loop_set_timer(loop, &thing.timer, INT64_MAX));
}

static void drop_next(struct loop_timer *timer)
{
    struct thing *thing = thing_of_timer(timer);
    calls++;
    loop_set_timer(loop, &thing->other->timer, INT64_MAX);
}

static void loop_does_not_ring_a_timer_that_was_taken_back(void)
{
    struct thing one = {.timer = {.ring = drop_next}}, two = {.timer = {.ring = drop_next}};
    int64_t now = clock_monotonic_ms();
    calls = 0;
    one.other = &two;
    two.other = &one;
    CU_ASSERT(loop_set_timer(loop, &one.timer, now - 1) && loop_set_timer(loop, &two.timer, now - 1));
    loop_turn(loop, 0, NULL);
    CU_ASSERT_EQUAL(calls, 1);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
}

static void loop_lets_signals_in_while_it_waits(void)
{
    sigset_t blocked, before;
    struct sigaction action = {.sa_handler = on_signal}, old;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGUSR2, &action, &old);
    raise(SIGUSR2);
    CU_ASSERT_EQUAL(signalled, 0);
    loop_turn(loop, 5000, &before);
    CU_ASSERT_EQUAL(signalled, SIGUSR2);
    sigaction(SIGUSR2, &old, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void suite_loop(void)
{
    CU_pSuite suite = CU_add_suite("loop", begin, end);
    UNIT_TEST(suite, loop_tells_what_is_watched_and_nothing_else);
    UNIT_TEST(suite, loop_tells_that_the_peer_has_gone);
    UNIT_TEST(suite, loop_forgets_events_of_a_watch_that_is_gone);
    UNIT_TEST(suite, loop_lets_a_watch_free_itself);
    UNIT_TEST(suite, loop_tells_only_what_is_still_waited_for);
    UNIT_TEST(suite, loop_rings_in_the_order_of_time);
    UNIT_TEST(suite, loop_moves_and_takes_back_timers);
    UNIT_TEST(suite, loop_waits_until_the_next_timer);
    UNIT_TEST(suite, loop_is_not_held_by_a_timer_that_sets_itself);
    UNIT_TEST(suite, loop_does_not_ring_a_timer_that_was_taken_back);
    UNIT_TEST(suite, loop_lets_signals_in_while_it_waits);
}
