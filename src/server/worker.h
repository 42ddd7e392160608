/*
 * A worker: one process, one request at a time, until it is told to end or has served enough.
 */
#ifndef PARLEY_SERVER_WORKER_H
#define PARLEY_SERVER_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

struct metrics;
struct settings;

/* Where a worker works. */
struct worker_place {
    const struct settings *settings;
    struct metrics *metrics; /* metrics_enter was called */
    int listen_fd;
    pid_t
        master; /* the parent, whose end is this worker's too; 0: there is none, and SIGINT and SIGHUP do as SIGTERM */
    bool guarded; /* the database of these settings has just passed the guard; else the worker asks it first */
    const int
        *relay_socket; /* where to hand turns over, relays of them; with 0 of them a child of this process runs each */
    unsigned relays;
};

/*
 * Serves requests of the listening socket and answers the exit status: 0 when it was told to end or has served
 * max_requests (under a master alone); EX_CONFIG when the database does not guard its rows (said in the log); 1 when it
 * cannot go on.
 *
 * SIGTERM: ends after the request at hand. SIGUSR1: answers what has connected already, then ends; for a listener that
 * nobody can connect to any more. Both wait until a request is answered, neither for children: each ends with its turn.
 * Of these there are at most `workers` at once; the turn after them is refused as overloaded.
 */
int worker_run(const struct worker_place *place);

#endif
