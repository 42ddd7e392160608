/*
 * Keeping workers.
 *
 * What must stay true: signals are read, one at a time, by the loop and nowhere else, so that nothing here runs in
 * between; the listening socket stays open from the start to the end, so that no reload refuses a connection; a worker
 * that dies young is replaced ever more slowly, any other at once.
 */
#include "server/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "auth/password.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/guard.h"
#include "http/fcgi.h"
#include "server/config.h"
#include "server/metrics.h"
#include "server/pidfile.h"
#include "server/systemd.h"
#include "server/title.h"
#include "server/worker.h"

#define YOUNG_MS       5000
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS   5000
#define LISTEN_TRIES   40
#define LISTEN_WAIT_US 50000
#define GUARD_ARENA    ((size_t)1 << 20)
#define PROOF_MS       1000

/* A worker: its slot is that of the metrics. */
struct child {
    pid_t pid; /* 0: the slot is free */
    int64_t born;
    int64_t kill_at; /* 0: it was not asked to end */
};

struct master {
    struct config *config;
    const char *config_file;
    struct metrics *metrics;
    int listen_fd;
    char *socket; /* the path to remove at the end; NULL: somebody else's */
    struct pidfile pidfile;
    char *pid_path;
    sigset_t signals;  /* what the loop reads */
    int64_t proved_at; /* when this configuration's database passed the guard: workers forked then need not ask again */
    int64_t pause_ms;  /* before the next start; 0: none */
    int64_t start_at;
    bool ending;
    int exit_status;
    struct child child[METRICS_SLOTS];
};

/* --- starting --- */

/* Whether the database of the settings may be served from; one that cannot be asked may, for its workers will ask. */
static bool is_database_safe(struct master *master, const struct settings *settings)
{
    const char *reason = "memory is out";
    struct arena *arena = arena_new(GUARD_ARENA);
    struct db *db = db_new(settings);
    enum status status = arena && db ? guard_check(db, arena, settings, &reason) : ST_FORBIDDEN;
    if (status == ST_FORBIDDEN)
        log_event(LOG_LEVEL_ERROR, "database_unsafe", log_str("reason", reason));
    else if (status != ST_OK)
        log_event(LOG_LEVEL_WARN, "database_unreachable_at_start", log_str("then", "every use answers 503 meanwhile"));
    db_free(db);
    arena_free(arena);
    master->proved_at = status == ST_OK ? clock_monotonic_ms() : -PROOF_MS;
    return status != ST_FORBIDDEN;
}

static bool is_proof_fresh(const struct master *master)
{
    return clock_monotonic_ms() - master->proved_at < PROOF_MS;
}

/* What the settings mean to the whole process, before workers are forked from it. */
static bool use_settings(const struct settings *settings)
{
    log_open(STDERR_FILENO, (enum log_level)log_level_parse(settings->log_level));
    return password_init(settings->hashes_at_once) == ST_OK;
}

static bool take_pidfile(struct master *master)
{
    pid_t holder = 0;
    master->pidfile.fd = -1;
    master->pid_path = strdup(master->config->settings.pid_file);
    if (!master->pid_path)
        return false;
    if (!*master->pid_path)
        return true;
    switch (pidfile_take(&master->pidfile, master->pid_path, &holder)) {
    case ST_OK:
        return true;
    case ST_CONFLICT:
        fprintf(stderr, "parley: already running with pid %d (%s)\n", (int)holder, master->pid_path);
        return false;
    default:
        fprintf(stderr, "parley: %s: %s\n", master->pid_path, strerror(errno));
        return false;
    }
}

/* Listens by itself. Workers of a master that was killed may hold the socket a little longer: they are waited for. */
static bool listen_at(struct master *master, const char *path)
{
    enum status status = fcgi_listen(path, &master->listen_fd);
    for (int i = 0; status == ST_CONFLICT && i < LISTEN_TRIES; i++) {
        usleep(LISTEN_WAIT_US);
        status = fcgi_listen(path, &master->listen_fd);
    }
    if (status == ST_CONFLICT)
        fprintf(stderr, "parley: %s is in use by another process\n", path);
    else if (status != ST_OK)
        fprintf(stderr, "parley: cannot listen on %s: %s\n", path, strerror(errno));
    else if (!(master->socket = strdup(path)))
        status = ST_UNAVAILABLE;
    return status == ST_OK;
}

static bool take_listener(struct master *master)
{
    master->listen_fd = systemd_take_listener();
    if (master->listen_fd >= 0)
        return true;
    if (master->listen_fd == -1)
        return listen_at(master, master->config->settings.listen);
    fprintf(stderr, "parley: the service manager has to pass one listening UNIX socket\n");
    return false;
}

/* From here on signals wait for the loop; a child's end is one of them, even where the parent ignored it. */
static void init_signals(struct master *master)
{
    static const int read_here[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&master->signals);
    for (unsigned i = 0; i < sizeof(read_here) / sizeof(read_here[0]); i++)
        sigaddset(&master->signals, read_here[i]);
    sigprocmask(SIG_SETMASK, &master->signals, NULL);
}

/* --- workers --- */

static unsigned count_children(const struct master *master, bool with_ending)
{
    unsigned count = 0;
    for (unsigned i = 0; i < METRICS_SLOTS; i++)
        count += master->child[i].pid && (with_ending || !master->child[i].kill_at);
    return count;
}

static void slow_down(struct master *master)
{
    int64_t now = clock_monotonic_ms();
    /* Several that die together count once. */
    if (master->pause_ms && now < master->start_at)
        return;
    master->pause_ms = master->pause_ms ? master->pause_ms * 2 : PAUSE_FIRST_MS;
    if (master->pause_ms > PAUSE_MAX_MS)
        master->pause_ms = PAUSE_MAX_MS;
    master->start_at = now + master->pause_ms;
}

/* In the child: becomes the worker of that slot. Never returns. */
static void become_worker(struct master *master, unsigned slot, pid_t parent)
{
    title_set("parley: worker");
    if (master->pidfile.fd >= 0)
        close(master->pidfile.fd);
    metrics_enter(master->metrics, slot);
    exit(worker_run(&master->config->settings, master->metrics, master->listen_fd, parent, is_proof_fresh(master)));
}

static bool start_worker(struct master *master, unsigned slot)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_worker(master, slot, parent);
    if (pid < 0) {
        log_event(LOG_LEVEL_ERROR, "fork_failed", log_str("error", strerror(errno)));
        slow_down(master);
        return false;
    }
    master->child[slot] = (struct child){.pid = pid, .born = clock_monotonic_ms()};
    metrics_started(master->metrics, slot);
    return true;
}

/* Starts the workers that are missing, in the free slots. */
static void fill(struct master *master)
{
    if (master->ending || clock_monotonic_ms() < master->start_at)
        return;
    unsigned missing = (unsigned)master->config->settings.workers;
    unsigned have = count_children(master, false);
    missing = missing > have ? missing - have : 0;
    for (unsigned slot = 0; missing && slot < METRICS_SLOTS; slot++)
        if (!master->child[slot].pid && start_worker(master, slot))
            missing--;
        else if (!master->child[slot].pid)
            return;
}

/* Marks all workers as asked to end; they learn of it by tell_ending. */
static void mark_ending(struct master *master)
{
    int64_t kill_at = clock_monotonic_ms() + (int64_t)master->config->settings.drain_seconds * 1000;
    for (unsigned i = 0; i < METRICS_SLOTS; i++)
        if (master->child[i].pid && !master->child[i].kill_at)
            master->child[i].kill_at = kill_at;
}

static void tell_ending(const struct master *master, int signal_number)
{
    for (unsigned i = 0; i < METRICS_SLOTS; i++)
        if (master->child[i].pid && master->child[i].kill_at)
            kill(master->child[i].pid, signal_number);
}

static void kill_late(struct master *master)
{
    int64_t now = clock_monotonic_ms();
    for (unsigned i = 0; i < METRICS_SLOTS; i++) {
        struct child *child = &master->child[i];
        if (!child->pid || !child->kill_at || now < child->kill_at)
            continue;
        log_event(LOG_LEVEL_WARN, "worker_killed", log_int("worker", child->pid), log_str("reason", "drain_seconds"));
        kill(child->pid, SIGKILL);
        child->kill_at = INT64_MAX;
    }
}

/* --- events --- */

/* The end of everything: nobody can connect any more, and who has connected is answered. A socket of the service
 * manager goes on without us, so there only requests at hand are. */
static void begin_end(struct master *master, int exit_status)
{
    log_event(LOG_LEVEL_INFO, "draining", log_int("workers", count_children(master, true)));
    systemd_notify("STOPPING=1");
    if (master->socket)
        unlink(master->socket);
    master->ending = true;
    master->exit_status = exit_status;
    mark_ending(master);
    tell_ending(master, master->socket ? SIGUSR1 : SIGTERM);
}

static void child_ended(struct master *master, unsigned slot, int status)
{
    struct child child = master->child[slot];
    bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    master->child[slot] = (struct child){0};
    metrics_ended(master->metrics, slot, failed);
    if (!failed) {
        log_event(LOG_LEVEL_DEBUG, "worker_ended", log_int("worker", child.pid));
        return;
    }
    log_event(LOG_LEVEL_ERROR, "worker_died", log_int("worker", child.pid),
              WIFEXITED(status) ? log_int("status", WEXITSTATUS(status)) : log_int("signal", WTERMSIG(status)));
    if (master->ending || child.kill_at)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
        begin_end(master, EX_CONFIG);
    else if (clock_monotonic_ms() - child.born < YOUNG_MS)
        slow_down(master);
    else
        master->pause_ms = 0;
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < METRICS_SLOTS; i++)
            if (master->child[i].pid == pid)
                child_ended(master, i, status);
}

static void log_problems(const struct config *config)
{
    for (unsigned i = 0; i < config->problems; i++)
        log_event(config->problem[i].warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "configuration",
                  log_str("problem", config->problem[i].text));
}

/* What a reload cannot change is said, so that nobody waits for it. */
static void warn_unchanged(const struct master *master, const struct settings *settings)
{
    if ((master->socket && strcmp(master->socket, settings->listen) != 0) ||
        strcmp(master->pid_path, settings->pid_file) != 0)
        log_event(LOG_LEVEL_WARN, "restart_needed", log_str("options", "listen, pid_file"));
}

static void reload(struct master *master)
{
    systemd_notify("RELOADING=1");
    struct config *config = config_read(master->config_file, environ, CONFIG_SERVE);
    if (config)
        log_problems(config);
    if (!config || config->errors || !is_database_safe(master, &config->settings) || !use_settings(&config->settings)) {
        log_event(LOG_LEVEL_ERROR, "reload_refused", log_str("then", "the configuration stays as it was"));
        config_free(config);
        master->proved_at = -PROOF_MS;
    } else {
        warn_unchanged(master, &config->settings);
        mark_ending(master);
        config_free(master->config);
        master->config = config;
        master->start_at = 0;
        fill(master);
        tell_ending(master, SIGTERM);
        log_event(LOG_LEVEL_INFO, "reloaded", log_int("workers", config->settings.workers));
    }
    systemd_notify("READY=1");
}

static void on_signal(struct master *master, int number)
{
    if (number == SIGCHLD)
        reap(master);
    else if (number == SIGHUP && !master->ending)
        reload(master);
    else if ((number == SIGTERM || number == SIGINT) && !master->ending)
        begin_end(master, EXIT_SUCCESS);
    else if (number == SIGTERM || number == SIGINT)
        tell_ending(master, SIGKILL);
}

/* How long the loop may sleep: until the next worker is to be started or killed. */
static struct timespec time_to_sleep(const struct master *master)
{
    int64_t now = clock_monotonic_ms(), until = now + 3600 * 1000;
    if (!master->ending && master->start_at > now)
        until = master->start_at;
    for (unsigned i = 0; i < METRICS_SLOTS; i++)
        if (master->child[i].pid && master->child[i].kill_at && master->child[i].kill_at < until)
            until = master->child[i].kill_at;
    int64_t left = until > now ? until - now : 0;
    return (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
}

static void loop(struct master *master)
{
    while (!master->ending || count_children(master, true)) {
        fill(master);
        kill_late(master);
        struct timespec sleep = time_to_sleep(master);
        int number = sigtimedwait(&master->signals, NULL, &sleep);
        if (number > 0)
            on_signal(master, number);
    }
}

/* --- the whole --- */

static bool start(struct master *master)
{
    if (!take_pidfile(master) || !take_listener(master))
        return false;
    master->exit_status = EX_CONFIG;
    if (!is_database_safe(master, &master->config->settings))
        return false;
    master->exit_status = EXIT_SUCCESS;
    init_signals(master);
    fill(master);
    systemd_notify("READY=1");
    log_event(LOG_LEVEL_INFO, "started", log_str("listen", master->socket ? master->socket : "service manager"),
              log_int("workers", master->config->settings.workers));
    return true;
}

static void master_fini(struct master *master)
{
    if (master->socket && !master->ending)
        unlink(master->socket);
    pidfile_drop(&master->pidfile);
    if (master->listen_fd >= 0)
        close(master->listen_fd);
    free(master->socket);
    free(master->pid_path);
    config_free(master->config);
    metrics_free(master->metrics);
}

/* Descriptor 0 is the listening socket of mod_fcgid or spawn-fcgi, which keep processes themselves. */
static int run_alone(struct master *master)
{
    if (!is_database_safe(master, &master->config->settings))
        return EX_CONFIG;
    title_set("parley: worker");
    metrics_started(master->metrics, 0);
    metrics_enter(master->metrics, 0);
    return worker_run(&master->config->settings, master->metrics, STDIN_FILENO, 0, is_proof_fresh(master));
}

int master_run(struct config *config, const char *config_file)
{
    struct master *master = calloc(1, sizeof(*master));
    int status = EXIT_FAILURE;
    if (!master) {
        config_free(config);
        return status;
    }
    *master = (struct master){
        .config = config, .config_file = config_file, .listen_fd = -1, .exit_status = EXIT_FAILURE, .pidfile.fd = -1};
    master->metrics = metrics_new(api_routes);
    if (!master->metrics || !use_settings(&config->settings)) {
        log_event(LOG_LEVEL_ERROR, "start_failed", log_str("error", "memory is out"));
    } else if (!getenv("LISTEN_FDS") && systemd_is_listener(STDIN_FILENO)) {
        status = run_alone(master);
    } else {
        title_set("parley: master");
        if (start(master))
            loop(master);
        status = master->exit_status;
    }
    master_fini(master);
    free(master);
    return status;
}
