/*
 * The worker's loop.
 *
 * What must stay true: signals that end it are blocked but where it waits and right before, so that no read, write or
 * transaction is ever cut by one; no row is read or written before the database has proved that it guards them; it
 * never waits for a model. Where there is no relay to hand a turn to, a child of its own is the relay of that one turn:
 * it has nothing of this process but its memory, and outlives it.
 */
#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/settings.h"
#include "db/db.h"
#include "db/guard.h"
#include "http/fcgi.h"
#include "http/record.h"
#include "relay/handover.h"
#include "relay/relay.h"
#include "server/metrics.h"
#include "server/serve.h"
#include "server/title.h"

#define ARENA_BASE     ((size_t)16 << 20)
#define GUARD_PAUSE_MS 1000

struct worker {
    const struct worker_place *place;
    struct app app;
    int children; /* that run a turn each, where there are no relays */
    struct fcgi *fcgi;
    struct arena *arena;
    sigset_t open;       /* the mask while it waits */
    bool guarded;        /* the database has proved itself */
    int64_t guard_again; /* when to ask it next */
    int64_t left;        /* requests until it makes room */
};

enum ending { GO_ON, END_NOW, END_WHEN_EMPTY };

/* Set by signals alone, which come only where they are let in. */
static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    if (ending != END_NOW)
        ending = number == SIGUSR1 ? END_WHEN_EMPTY : END_NOW;
}

/* That it comes ends the wait. */
static void on_child(int number)
{
    (void)number;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* A terminal sends SIGINT and SIGHUP to the whole group: under a master they are the master's business. */
static void init_signals(struct worker *worker)
{
    static const int held[] = {SIGTERM, SIGUSR1, SIGINT, SIGHUP, SIGCHLD};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        sigaddset(&blocked, held[i]);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(&worker->open);
    ending = GO_ON;
    handle(SIGTERM, on_signal);
    handle(SIGUSR1, on_signal);
    handle(SIGINT, worker->place->master ? SIG_IGN : on_signal);
    handle(SIGHUP, worker->place->master ? SIG_IGN : on_signal);
    handle(SIGPIPE, SIG_IGN);
    handle(SIGCHLD, on_child);
    if (worker->place->master)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Lets waiting signals in: a wait that finds a connection at once never does. */
static void notice_signals(const struct worker *worker)
{
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, &worker->open, &blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* So many requests that workers which started together do not end together. Without a master a worker goes on: whoever
 * started it either does not start another, or hands it a next request while it ends. */
static int64_t lifetime(const struct worker *worker, int max_requests)
{
    if (!max_requests || !worker->place->master)
        return INT64_MAX;
    return max_requests + (int64_t)((unsigned)getpid() * 2654435761U % ((unsigned)max_requests / 10 + 1));
}

static bool worker_init(struct worker *worker)
{
    const struct settings *settings = worker->app.settings;
    worker->left = lifetime(worker, settings->max_requests);
    /* The longest answer is one message, which may be six times as long as JSON, and must be readable. */
    worker->arena =
        arena_new(ARENA_BASE + 4 * (size_t)settings->max_body_bytes + 16 * (size_t)settings->max_answer_bytes);
    worker->app.db = db_new(settings);
    worker->fcgi = fcgi_new(worker->place->listen_fd);
    return worker->arena && worker->app.db && worker->fcgi;
}

static void worker_fini(struct worker *worker)
{
    fcgi_free(worker->fcgi);
    db_free(worker->app.db);
    arena_free(worker->arena);
}

/* Asks the database to prove itself, at most once a second; until it has, nothing else is asked of it. False: it is
 * unsafe. */
static bool ask_guard(struct worker *worker)
{
    const char *reason;
    if (worker->guarded || clock_monotonic_ms() < worker->guard_again)
        return true;
    db_refuse(worker->app.db, false);
    enum status status = guard_check(worker->app.db, worker->arena, worker->app.settings, &reason);
    if (status == ST_FORBIDDEN)
        log_event(LOG_LEVEL_ERROR, "database_unsafe", log_str("reason", reason));
    worker->guarded = status == ST_OK;
    worker->guard_again = clock_monotonic_ms() + GUARD_PAUSE_MS;
    db_refuse(worker->app.db, !worker->guarded);
    arena_reset(worker->arena);
    return status != ST_FORBIDDEN;
}

/* The one line a request: the path without its query, nothing that was sent or answered. The request's id is on every
 * line. */
static void log_access(const struct reply *reply, const struct served *served, bool taken)
{
    char ms[32];
    snprintf(ms, sizeof(ms), "%lld.%03lld", (long long)(served->micros / 1000), (long long)(served->micros % 1000));
    const char *route = served->route < ROUTE_NONE ? api_routes[served->route].path : NULL;
    log_event(LOG_LEVEL_INFO, "request", log_str("method", served->method), log_str("path", served->path),
              log_str("route", route), log_int("status", served->status), log_str("ms", ms),
              log_int("bytes", (int64_t)reply->body.len),
              log_str("user", *served->user.text ? served->user.text : NULL),
              log_str("client", taken ? "there" : "gone"));
}

/* The same session's relay every time, so that who joins a turn meets the one that runs it. */
static int relay_of(const struct worker *worker, const struct uuid *session)
{
    return worker->place->relay_socket[hash_xxh64(session->text, UUID_LEN) % worker->place->relays];
}

/* --- a child that is the relay of one turn --- */

static void count_children(struct worker *worker)
{
    while (worker->children && waitpid(-1, NULL, WNOHANG) > 0)
        worker->children--;
}

/* Leaves the child this connection, the log and nothing else: neither the listener, which must not outlive who accepts
 * there, nor the parent's line to the database. Answers the connection's new number; -1: descriptors are out. */
static int keep_one(int connection)
{
    const int kept = STDERR_FILENO + 1;
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (none < 0 || dup2(connection, kept) < 0 || dup2(none, STDIN_FILENO) < 0 || dup2(none, STDOUT_FILENO) < 0 ||
        close_range((unsigned)kept + 1, ~0U, 0) != 0)
        return -1;
    return kept;
}

/* The child's main. SIGTERM, which stays blocked, ends the turn as interrupted; what the parent holds is never freed
 * here, for that would say farewell on the parent's lines. */
static int be_relay(const struct worker *worker, const struct handover *handover, int connection)
{
    title_set("parley: relay");
    connection = keep_one(connection);
    struct relay *relay = connection >= 0 ? relay_new(worker->app.settings, -1) : NULL;
    if (!relay) {
        log_event(LOG_LEVEL_ERROR, "relay_failed", log_str("error", "memory or descriptors are out"));
        return EXIT_FAILURE;
    }
    relay_take(relay, handover, connection);
    relay_finish(relay);
    relay_free(relay);
    return EXIT_SUCCESS;
}

/* False: there are as many already as there may be, or the system has no room. */
static bool start_relay(struct worker *worker, const struct handover *handover, int connection)
{
    count_children(worker);
    pid_t child = worker->children < worker->app.settings->workers ? fork() : -1;
    if (child == 0)
        _exit(be_relay(worker, handover, connection));
    if (child < 0)
        log_event(LOG_LEVEL_WARN, "overloaded", log_int("turns", worker->children));
    else
        worker->children++;
    return child > 0;
}

/* Gives the connection away. False: nobody took it, and the reply says so to the client. */
static bool hand_over(struct worker *worker, struct served *served, struct reply *reply)
{
    struct handover *handover = &served->handover;
    int connection = fcgi_detach(worker->fcgi, &handover->request_id);
    bool taken = worker->place->relays
                     ? handover_send(relay_of(worker, &handover->session), handover, connection, worker->arena) == ST_OK
                     : start_relay(worker, handover, connection);
    if (!taken) {
        serve_not_taken(&worker->app, worker->arena, served, reply);
        served->status = reply->status;
        (void)record_send(connection, handover->request_id, reply);
    }
    close(connection);
    return taken;
}

/* Sends the answer, or has it sent. False: the client was gone. */
static bool answer(struct worker *worker, struct served *served, struct reply *reply)
{
    const struct handover *handover = &served->handover;
    if (handover->kind == HANDOVER_TURN || handover->kind == HANDOVER_WATCH) {
        (void)hand_over(worker, served, reply);
        return true;
    }
    /* Word of a stop is a courtesy: the relay finds the row by itself a little later. */
    if (handover->kind == HANDOVER_STOP && worker->place->relays)
        (void)!handover_send(relay_of(worker, &handover->session), handover, -1, worker->arena);
    return fcgi_send(worker->fcgi, reply);
}

static void serve_one(struct worker *worker)
{
    struct reply reply;
    struct served served = {.route = ROUTE_NONE};
    metrics_busy(worker->app.metrics, true);
    serve(&worker->app, worker->arena, fcgi_params(worker->fcgi), fcgi_read, worker->fcgi, &reply, &served);
    /* Before the answer, so that whoever has it finds it counted. */
    metrics_request(worker->app.metrics, served.route, served.status, served.micros);
    metrics_database(worker->app.metrics, db_counts(worker->app.db));
    bool taken = answer(worker, &served, &reply);
    metrics_busy(worker->app.metrics, false);
    log_access(&reply, &served, taken);
    log_request(NULL);
    arena_reset(worker->arena);
    worker->left--;
}

/* Whether to wait for another request; *timeout_ms: how long. One that has served enough goes on all the same while the
 * program ends, for nobody would take its place. */
static bool goes_on(struct worker *worker, int *timeout_ms)
{
    notice_signals(worker);
    count_children(worker);
    bool enough = worker->left <= 0 && ending != END_WHEN_EMPTY;
    if (ending == END_NOW || enough || (worker->place->master && getppid() != worker->place->master))
        return false;
    *timeout_ms = ending == END_WHEN_EMPTY ? 0 : worker->guarded ? -1 : GUARD_PAUSE_MS;
    return true;
}

static int loop(struct worker *worker)
{
    int timeout_ms;
    while (goes_on(worker, &timeout_ms)) {
        bool connected = fcgi_wait(worker->fcgi, timeout_ms, &worker->open);
        if (!connected && ending == END_WHEN_EMPTY && timeout_ms == 0)
            break;
        if (!ask_guard(worker))
            return EX_CONFIG;
        if (!connected)
            continue;
        enum status status = fcgi_accept(worker->fcgi);
        if (status == ST_OK)
            serve_one(worker);
        else if (status != ST_NOT_FOUND)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* Connects, so that the first request need not. False: the database is unsafe. */
static bool prepare_database(struct worker *worker)
{
    if (!worker->guarded)
        return ask_guard(worker);
    if (db_connect(worker->app.db) != ST_OK)
        log_event(LOG_LEVEL_WARN, "database_unreachable_at_start", log_str("then", "the next request tries again"));
    return true;
}

int worker_run(const struct worker_place *place)
{
    struct worker worker = {
        .place = place,
        .app = {.settings = place->settings, .metrics = place->metrics, .metrics_write = metrics_write},
        .guarded = place->guarded,
    };
    int status = EXIT_FAILURE;
    init_signals(&worker);
    if (!worker_init(&worker))
        log_event(LOG_LEVEL_ERROR, "worker_failed", log_str("error", "memory or descriptors are out"));
    else
        status = prepare_database(&worker) ? loop(&worker) : EX_CONFIG;
    worker_fini(&worker);
    return status;
}
