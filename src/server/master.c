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
#include <sys/resource.h>
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
#include "relay/handover.h"
#include "relay/relay.h"
#include "server/config.h"
#include "server/crew.h"
#include "server/metrics.h"
#include "server/pidfile.h"
#include "server/systemd.h"
#include "server/title.h"
#include "server/worker.h"

#define LISTEN_TRIES        40
#define LISTEN_WAIT_US      50000
#define GUARD_ARENA         ((size_t)1 << 20)
#define PROOF_MS            1000
#define RELAYS_MAX          8
#define RELAY_SAVES_SECONDS 12 /* a little more than a relay takes for it */

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
    int relay_end[RELAYS_MAX]; /* hand-over sockets: the relays' ends, and the workers' */
    int worker_end[RELAYS_MAX];
    bool ending;
    bool relays_told; /* that the program ends */
    int exit_status;
    struct crew workers; /* a worker's slot is its slot in the metrics */
    struct crew relays;  /* a relay's role is its hand-over socket */
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

/* --- children --- */

/* What a child does not need of its parent. */
static void leave_master(struct master *master, const char *title)
{
    title_set(title);
    if (master->pidfile.fd >= 0)
        close(master->pidfile.fd);
}

static void become_worker(void *owner, unsigned slot, unsigned role, pid_t parent)
{
    struct master *master = owner;
    (void)role;
    leave_master(master, "parley: worker");
    metrics_enter(master->metrics, slot);
    const struct worker_place place = {.settings = &master->config->settings,
                                       .metrics = master->metrics,
                                       .listen_fd = master->listen_fd,
                                       .master = parent,
                                       .guarded = is_proof_fresh(master),
                                       .relay_socket = master->worker_end,
                                       .relays = (unsigned)master->config->settings.relays};
    exit(worker_run(&place));
}

static void become_relay(void *owner, unsigned slot, unsigned role, pid_t parent)
{
    struct master *master = owner;
    (void)slot;
    leave_master(master, "parley: relay");
    close(master->listen_fd);
    exit(relay_run(&master->config->settings, master->relay_end[role], parent));
}

static void worker_started(void *owner, unsigned slot)
{
    struct master *master = owner;
    metrics_started(master->metrics, slot);
}

static void worker_ended(void *owner, unsigned slot, bool failed)
{
    struct master *master = owner;
    metrics_ended(master->metrics, slot, failed);
}

/* The sockets are there before any fork, for as many relays as there can ever be: what waits in one outlives its relay.
 */
static bool init_crews(struct master *master)
{
    for (unsigned i = 0; i < RELAYS_MAX; i++) {
        int ends[2];
        if (handover_pair(ends) != ST_OK)
            return false;
        master->relay_end[i] = ends[0];
        master->worker_end[i] = ends[1];
    }
    master->workers = (struct crew){
        .kind = "worker", .owner = master, .become = become_worker, .started = worker_started, .ended = worker_ended};
    master->relays = (struct crew){.kind = "relay", .owner = master, .become = become_relay};
    return true;
}

static void fill(struct master *master)
{
    if (master->ending)
        return;
    master->relays.wanted = (unsigned)master->config->settings.relays;
    master->workers.wanted = (unsigned)master->config->settings.workers;
    crew_fill(&master->relays);
    crew_fill(&master->workers);
}

static void dismiss_workers(struct master *master)
{
    crew_dismiss(&master->workers, master->config->settings.drain_seconds);
}

/* Relays keep to drain_seconds by themselves, and need a little more to save what they had to interrupt. */
static void dismiss_relays(struct master *master)
{
    crew_dismiss(&master->relays, master->config->settings.drain_seconds + RELAY_SAVES_SECONDS);
}

/* --- events --- */

/* The end of everything: nobody can connect any more, and who has connected is answered. A socket of the service
 * manager goes on without us, so there only requests at hand are. */
static void begin_end(struct master *master, int exit_status)
{
    log_event(LOG_LEVEL_INFO, "draining", log_int("workers", crew_count(&master->workers, true)));
    systemd_notify("STOPPING=1");
    if (master->socket)
        unlink(master->socket);
    master->ending = true;
    master->exit_status = exit_status;
    dismiss_workers(master);
    crew_tell(&master->workers, master->socket ? SIGUSR1 : SIGTERM);
}

static void tell_relays(struct master *master)
{
    master->relays_told = true;
    dismiss_relays(master);
    crew_tell(&master->relays, SIGTERM);
}

/* Relays end after the workers, who may hand over to them until their own end; their time begins then. */
static void end_relays(struct master *master)
{
    if (master->ending && !master->relays_told && !crew_count(&master->workers, true))
        tell_relays(master);
}

static void reap(struct master *master)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        bool unsafe;
        if (!crew_reap(&master->workers, pid, status, &unsafe) && !crew_reap(&master->relays, pid, status, &unsafe))
            continue;
        if (unsafe && !master->ending)
            begin_end(master, EX_CONFIG);
    }
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
        dismiss_workers(master);
        dismiss_relays(master);
        config_free(master->config);
        master->config = config;
        crew_forgive(&master->workers);
        crew_forgive(&master->relays);
        fill(master);
        crew_tell(&master->workers, SIGTERM);
        crew_tell(&master->relays, SIGTERM);
        log_event(LOG_LEVEL_INFO, "reloaded", log_int("workers", config->settings.workers));
    }
    systemd_notify("READY=1");
}

/* A second SIGTERM: requests are cut; relays save what they have and end. */
static void end_now(struct master *master)
{
    crew_tell(&master->workers, SIGKILL);
    if (!master->relays_told)
        tell_relays(master);
    crew_tell(&master->relays, SIGUSR1);
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
        end_now(master);
}

/* How long the loop may sleep: until the next child is to be started or killed. */
static struct timespec time_to_sleep(const struct master *master)
{
    int64_t now = clock_monotonic_ms(), until = now + 3600 * 1000;
    int64_t workers = crew_next(&master->workers), relays = crew_next(&master->relays);
    until = workers < until ? workers : until;
    until = relays < until ? relays : until;
    int64_t left = until > now ? until - now : 0;
    return (struct timespec){.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
}

static void loop(struct master *master)
{
    while (!master->ending || crew_count(&master->workers, true) || crew_count(&master->relays, true)) {
        fill(master);
        end_relays(master);
        crew_kill_late(&master->workers);
        crew_kill_late(&master->relays);
        struct timespec sleep = time_to_sleep(master);
        int number = sigtimedwait(&master->signals, NULL, &sleep);
        if (number > 0)
            on_signal(master, number);
    }
}

/* --- the whole --- */

static bool start(struct master *master)
{
    if (!take_pidfile(master) || !take_listener(master) || !init_crews(master))
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
    const struct worker_place place = {.settings = &master->config->settings,
                                       .metrics = master->metrics,
                                       .listen_fd = STDIN_FILENO,
                                       .guarded = is_proof_fresh(master)};
    return worker_run(&place);
}

int master_run(struct config *config, const char *config_file)
{
    /* A core would hold secrets and people's words. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
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
