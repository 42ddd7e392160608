/*
 * The relay.
 *
 * What must stay true: nothing in its loop waits but the loop itself; a turn that was taken ends saved, or is told as
 * not saved, whatever becomes of its viewers and of this process short of a kill; signals come only where they are let
 * in.
 */
#include "relay/relay.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "relay/follower.h"
#include "relay/saver.h"
#include "relay/state.h"
#include "relay/turn_stream.h"
#include "relay/upstream.h"
#include "relay/viewer.h"

#define INBOX_MAX          ((size_t)128 << 20)
#define SCRATCH_BASE       ((size_t)64 << 20)
#define HANDOVERS_AT_ONCE  16
#define DESCRIPTORS_APART  128 /* for the log, the database, libraries, and what is kept open to the model server */
#define DESCRIPTORS_AT_ALL 1024
#define SAVE_MS            10000
#define REST_MS            5000
#define LARGE              (128 * 1024)
#define DRAIN_MS           100
#define NOTICE_MS          100 /* how often a busy loop looks for a signal or the end of its master */

/* How far a process is on its way out. */
struct ending {
    int64_t notice_at;    /* when to look again whether it is asked to */
    int64_t interrupt_at; /* INT64_MAX: nobody asked it to end */
    int64_t leave_at;     /* INT64_MAX: turns were not interrupted yet */
};

/* --- what is handed over --- */

static bool has_room(const struct relay *relay, unsigned descriptors)
{
    return relay->viewers + relay->audiences.count + descriptors <= relay->descriptors;
}

/* A connection that cannot be served; -1: there is none. */
static void refuse(struct relay *relay, const struct handover *handover, int connection)
{
    log_event(LOG_LEVEL_WARN, "overloaded", log_int("viewers", relay->viewers),
              log_int("turns", relay->audiences.count));
    if (connection >= 0)
        viewer_refuse(relay, handover, connection, "overloaded", "Too many answers are being read; try again.");
}

static void take_turn(struct relay *relay, const struct handover *handover, int connection)
{
    struct handover watch = *handover;
    bool overloaded = !has_room(relay, 2);
    struct audience *audience = turn_stream_start(relay, handover, overloaded);
    if (!audience) {
        refuse(relay, handover, connection);
        return;
    }
    /* The failure is told by its status too, after it is saved. */
    if (overloaded)
        watch.form = VIEWER_JSON;
    if (connection >= 0)
        (void)viewer_add(audience, &watch, connection);
}

static void take_viewer(struct relay *relay, const struct handover *handover, int connection)
{
    struct audience *audience = NULL;
    if (connection < 0)
        return;
    if (has_room(relay, 2))
        audience = audience_find(&relay->audiences, &handover->user, &handover->turn);
    if (has_room(relay, 2) && !audience)
        audience = follower_start(relay, handover);
    if (!audience) {
        refuse(relay, handover, connection);
        return;
    }
    (void)viewer_add(audience, handover, connection);
    audience_touch(audience);
}

static void take_stop(struct relay *relay, const struct handover *handover, int connection)
{
    struct audience *audience = audience_find(&relay->audiences, &handover->user, &handover->turn);
    if (audience)
        audience->kind->stop(audience);
    if (connection >= 0)
        close(connection);
}

void relay_take(struct relay *relay, const struct handover *handover, int connection)
{
    if (handover->kind == HANDOVER_TURN)
        take_turn(relay, handover, connection);
    else if (handover->kind == HANDOVER_WATCH)
        take_viewer(relay, handover, connection);
    else
        take_stop(relay, handover, connection);
}

/* A few at a time, so that other relays at the same socket get theirs. */
static void on_handover(struct loop_watch *watch, uint32_t events)
{
    struct relay *relay = (struct relay *)(void *)((char *)watch - offsetof(struct relay, socket));
    (void)events;
    for (unsigned i = 0; i < HANDOVERS_AT_ONCE; i++) {
        struct handover handover;
        int connection = -1;
        enum status status = handover_receive(watch->fd, relay->inbox, &handover, &connection);
        if (status == ST_OK)
            relay_take(relay, &handover, connection);
        else if (status == ST_INVALID)
            log_event(LOG_LEVEL_ERROR, "handover_unreadable", log_int("fd", watch->fd));
        arena_reset(relay->inbox);
        if (status == ST_UNAVAILABLE)
            loop_unwatch(relay->loop, watch);
        if (status == ST_UNAVAILABLE || status == ST_NOT_FOUND)
            return;
    }
}

/* --- its life --- */

/* As many descriptors as the system lets this process have. */
static unsigned raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return DESCRIPTORS_AT_ALL - DESCRIPTORS_APART;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t most = limit.rlim_cur > INT32_MAX ? INT32_MAX : limit.rlim_cur;
    return most > DESCRIPTORS_APART ? (unsigned)most - DESCRIPTORS_APART : 0;
}

struct relay *relay_new(const struct settings *settings, int socket)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (!relay)
        return NULL;
    /* Left alone the allocator learns from a long answer to keep its memory for good. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    relay->settings = settings;
    relay->socket = (struct loop_watch){.fd = socket, .ready = on_handover};
    relay->descriptors = raise_descriptors();
    relay->loop = loop_new();
    relay->scratch = arena_new(SCRATCH_BASE + 32 * (size_t)settings->max_answer_bytes);
    relay->inbox = arena_new(INBOX_MAX);
    if (relay->loop) {
        relay->upstream = upstream_new(relay->loop, settings);
        relay->saver = saver_new(relay->loop, settings);
    }
    if (relay->scratch && relay->inbox && relay->upstream && relay->saver &&
        (socket < 0 || loop_watch(relay->loop, &relay->socket, EPOLLIN)))
        return relay;
    relay_free(relay);
    return NULL;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    while (relay->audiences.first)
        relay->audiences.first->kind->free(relay->audiences.first);
    saver_free(relay->saver);
    if (relay->upstream)
        upstream_free(relay->upstream);
    arena_free(relay->inbox);
    arena_free(relay->scratch);
    loop_free(relay->loop);
    free(relay);
}

/* Once around: viewers first, then what is to be saved, then whatever comes. */
static void go_round(struct relay *relay, int max_ms, const sigset_t *mask)
{
    audience_settle_all(&relay->audiences);
    saver_round(relay->saver);
    if (relay->audiences.touched)
        max_ms = 0;
    loop_turn(relay->loop, max_ms, mask);
}

static void interrupt_all(struct relay *relay)
{
    for (struct audience *audience = relay->audiences.first; audience; audience = audience->next)
        audience->kind->interrupt(audience);
}

/* What is not saved by now is told as such. */
static void give_up(struct relay *relay)
{
    if (relay->audiences.count)
        log_event(LOG_LEVEL_ERROR, "relay_left_turns", log_int("turns", relay->audiences.count));
    for (struct audience *audience = relay->audiences.first; audience; audience = audience->next)
        if (!audience->over)
            audience_fail(audience, "not_saved", "The answer could not be saved.");
    audience_settle_all(&relay->audiences);
}

static bool is_asked_to_end(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

void relay_finish(struct relay *relay)
{
    int64_t leave_at = INT64_MAX;
    while (relay->audiences.count && clock_monotonic_ms() < leave_at) {
        if (leave_at == INT64_MAX && is_asked_to_end()) {
            interrupt_all(relay);
            leave_at = clock_monotonic_ms() + SAVE_MS;
        }
        go_round(relay, DRAIN_MS, NULL);
    }
    give_up(relay);
    while (relay->audiences.first)
        relay->audiences.first->kind->free(relay->audiences.first);
}

/* --- the process --- */

/* How often the process was asked to end. Counted by signals alone, which come only where they are let in. */
static volatile sig_atomic_t asked;

static void on_signal(int number)
{
    (void)number;
    if (asked < 2)
        asked++;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void init_signals(pid_t master)
{
    static const int held[] = {SIGTERM, SIGUSR1, SIGINT, SIGHUP};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        sigaddset(&blocked, held[i]);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    asked = 0;
    handle(SIGTERM, on_signal);
    handle(SIGUSR1, on_signal);
    handle(SIGINT, master ? SIG_IGN : on_signal);
    handle(SIGHUP, master ? SIG_IGN : on_signal);
    handle(SIGPIPE, SIG_IGN);
    if (master)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Lets waiting signals in: a loop that always finds something to do never does. */
static void notice_signals(const sigset_t *open)
{
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, open, &blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* Takes the next step out where it is time. False: it is time to leave. */
static bool goes_on(struct relay *relay, struct ending *ending, pid_t master, const sigset_t *open)
{
    int64_t now = clock_monotonic_ms();
    if (now < ending->notice_at && !asked)
        return true;
    ending->notice_at = now + NOTICE_MS;
    notice_signals(open);
    bool orphan = master && getppid() != master;
    if (ending->interrupt_at == INT64_MAX && (asked || orphan)) {
        log_event(LOG_LEVEL_INFO, "relay_draining", log_int("turns", relay->audiences.count));
        loop_unwatch(relay->loop, &relay->socket);
        ending->interrupt_at = now + (int64_t)relay->settings->drain_seconds * 1000;
    }
    if (ending->leave_at == INT64_MAX && (asked > 1 || now >= ending->interrupt_at)) {
        interrupt_all(relay);
        ending->leave_at = now + SAVE_MS;
    }
    return ending->interrupt_at == INT64_MAX || (relay->audiences.count && now < ending->leave_at);
}

int relay_run(const struct settings *settings, int socket, pid_t master)
{
    struct ending ending = {.interrupt_at = INT64_MAX, .leave_at = INT64_MAX};
    sigset_t open;
    sigemptyset(&open);
    init_signals(master);
    struct relay *relay = relay_new(settings, socket);
    if (!relay) {
        log_event(LOG_LEVEL_ERROR, "relay_failed", log_str("error", "memory is out or the model's key unreadable"));
        return EXIT_FAILURE;
    }
    while (goes_on(relay, &ending, master, &open))
        go_round(relay, ending.interrupt_at == INT64_MAX ? REST_MS : DRAIN_MS, &open);
    give_up(relay);
    relay_free(relay);
    return EXIT_SUCCESS;
}
