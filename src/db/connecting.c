/*
 * Connecting in a thread of its own.
 *
 * What must stay true: a connection belongs to one thread at a time: to this one until the descriptor is readable, then
 * to whoever takes it; the last of both frees what they share; signals stay with the thread that began.
 */
#include "db/connecting.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/connection.h"

struct connecting {
    atomic_uint holders; /* the thread, and who waits for it */
    int fd;
    char *conninfo;
    const char *keywords[CONNECTION_KEYWORDS], *values[CONNECTION_KEYWORDS];
    int64_t timeout_ms;
    PGconn *pg; /* NULL: it does not stand */
};

static void let_go(struct connecting *connecting)
{
    if (atomic_fetch_sub(&connecting->holders, 1) > 1)
        return;
    PQfinish(connecting->pg);
    if (connecting->fd >= 0)
        close(connecting->fd);
    free(connecting->conninfo);
    free(connecting);
}

static void *connect_now(void *arg)
{
    struct connecting *connecting = arg;
    PGconn *pg = PQconnectStartParams(connecting->keywords, connecting->values, 1);
    if (connection_wait_for_start(pg, clock_monotonic_ms() + connecting->timeout_ms) == CONNECTION_READY) {
        connecting->pg = pg;
    } else {
        PQfinish(pg);
    }
    (void)eventfd_write(connecting->fd, 1);
    let_go(connecting);
    return NULL;
}

static bool start_thread(struct connecting *connecting)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, connect_now, connecting) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    return started;
}

struct connecting *connecting_start(const char *conninfo, int64_t timeout_ms)
{
    struct connecting *connecting = calloc(1, sizeof(*connecting));
    if (!connecting)
        return NULL;
    connecting->holders = 2;
    connecting->timeout_ms = timeout_ms;
    connecting->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    connecting->conninfo = strdup(conninfo);
    connection_keywords(connecting->conninfo, connecting->keywords, connecting->values);
    if (connecting->fd >= 0 && connecting->conninfo && start_thread(connecting))
        return connecting;
    connecting->holders = 1;
    let_go(connecting);
    return NULL;
}

int connecting_fd(const struct connecting *connecting)
{
    return connecting->fd;
}

bool connecting_is_over(struct connecting *connecting, PGconn **pg)
{
    eventfd_t over;
    if (eventfd_read(connecting->fd, &over) != 0)
        return false;
    *pg = connecting->pg;
    connecting->pg = NULL;
    let_go(connecting);
    return true;
}

void connecting_leave(struct connecting *connecting)
{
    if (connecting)
        let_go(connecting);
}
