/*
 * Processes of one kind, kept at a number.
 *
 * What must stay true: one that dies young is replaced ever more slowly, any other at once; who was asked to end is not
 * replaced for that, and not blamed.
 */
#include "server/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define YOUNG_MS       5000
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS   5000

/* One line, "worker_died" and the like, with the process and one field more. */
static void log_member(const struct crew *crew, const struct crew_member *member, enum log_level level,
                       const char *what, struct log_field more)
{
    char event[32];
    (void)snprintf(event, sizeof(event), "%s_%s", crew->kind, what);
    log_event(level, event, log_int(crew->kind, member->pid), more);
}

unsigned crew_count(const struct crew *crew, bool with_ending)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CREW_SLOTS; i++)
        count += crew->member[i].pid && (with_ending || !crew->member[i].kill_at);
    return count;
}

static void slow_down(struct crew *crew)
{
    int64_t now = clock_monotonic_ms();
    /* Several that die together count once. */
    if (crew->pause_ms && now < crew->start_at)
        return;
    crew->pause_ms = crew->pause_ms ? crew->pause_ms * 2 : PAUSE_FIRST_MS;
    if (crew->pause_ms > PAUSE_MAX_MS)
        crew->pause_ms = PAUSE_MAX_MS;
    crew->start_at = now + crew->pause_ms;
}

void crew_forgive(struct crew *crew)
{
    crew->start_at = 0;
}

static bool start(struct crew *crew, unsigned slot, unsigned role)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        crew->become(crew->owner, slot, role, parent);
    if (pid < 0) {
        log_event(LOG_LEVEL_ERROR, "fork_failed", log_str("error", strerror(errno)));
        slow_down(crew);
        return false;
    }
    crew->member[slot] = (struct crew_member){.pid = pid, .role = role, .born = clock_monotonic_ms()};
    if (crew->started)
        crew->started(crew->owner, slot);
    return true;
}

static bool is_filled(const struct crew *crew, unsigned role)
{
    for (unsigned i = 0; i < CREW_SLOTS; i++)
        if (crew->member[i].pid && !crew->member[i].kill_at && crew->member[i].role == role)
            return true;
    return false;
}

void crew_fill(struct crew *crew)
{
    if (clock_monotonic_ms() < crew->start_at || crew_count(crew, false) >= crew->wanted)
        return;
    unsigned slot = 0;
    for (unsigned role = 0; role < crew->wanted; role++) {
        if (is_filled(crew, role))
            continue;
        while (slot < CREW_SLOTS && crew->member[slot].pid)
            slot++;
        if (slot == CREW_SLOTS || !start(crew, slot, role))
            return;
    }
}

void crew_dismiss(struct crew *crew, int seconds)
{
    int64_t kill_at = clock_monotonic_ms() + (int64_t)seconds * 1000;
    for (unsigned i = 0; i < CREW_SLOTS; i++)
        if (crew->member[i].pid && !crew->member[i].kill_at)
            crew->member[i].kill_at = kill_at;
}

void crew_tell(struct crew *crew, int signal_number)
{
    for (unsigned i = 0; i < CREW_SLOTS; i++) {
        struct crew_member *member = &crew->member[i];
        if (!member->pid || !member->kill_at || member->told == signal_number)
            continue;
        member->told = signal_number;
        kill(member->pid, signal_number);
    }
}

void crew_kill_late(struct crew *crew)
{
    int64_t now = clock_monotonic_ms();
    for (unsigned i = 0; i < CREW_SLOTS; i++) {
        struct crew_member *member = &crew->member[i];
        if (!member->pid || !member->kill_at || now < member->kill_at)
            continue;
        log_member(crew, member, LOG_LEVEL_WARN, "killed", log_str("reason", "drain_seconds"));
        kill(member->pid, SIGKILL);
        member->kill_at = INT64_MAX;
    }
}

/* One that ended other than by itself with 0. */
static void blame(struct crew *crew, const struct crew_member *member, int status, bool *unsafe)
{
    log_member(crew, member, LOG_LEVEL_ERROR, "died",
               WIFEXITED(status) ? log_int("status", WEXITSTATUS(status)) : log_int("signal", WTERMSIG(status)));
    if (member->kill_at)
        return;
    *unsafe = WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG;
    if (clock_monotonic_ms() - member->born < YOUNG_MS)
        slow_down(crew);
    else
        crew->pause_ms = 0;
}

bool crew_reap(struct crew *crew, pid_t pid, int status, bool *unsafe)
{
    *unsafe = false;
    for (unsigned i = 0; i < CREW_SLOTS; i++) {
        struct crew_member member = crew->member[i];
        if (member.pid != pid)
            continue;
        bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        crew->member[i] = (struct crew_member){0};
        if (crew->ended)
            crew->ended(crew->owner, i, failed);
        if (failed)
            blame(crew, &member, status, unsafe);
        else
            log_member(crew, &member, LOG_LEVEL_DEBUG, "ended", log_int("status", 0));
        return true;
    }
    return false;
}

int64_t crew_next(const struct crew *crew)
{
    int64_t next = crew->start_at > clock_monotonic_ms() ? crew->start_at : INT64_MAX;
    for (unsigned i = 0; i < CREW_SLOTS; i++)
        if (crew->member[i].pid && crew->member[i].kill_at && crew->member[i].kill_at < next)
            next = crew->member[i].kill_at;
    return next;
}
