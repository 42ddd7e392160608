/*
 * `parley import-legacy`: moving chats here from another application's database.
 *
 * What must stay true: it writes as the role that serves, from a database that has passed the guard, so that the import
 * of one person's data cannot touch another's.
 */
#include "server/import.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "core/legacy_import.h"
#include "db/guard.h"
#include "server/commands.h"

#define ARENA_CAP   ((size_t)64 << 20)
#define PROGRESS_MS 1000

struct order {
    bool dry_run, match_email, match_id, help;
    const char *source, *file, *conninfo;
};

static const char usage[] =
    "usage: parley import-legacy [--dry-run] [--source NAME] [--match-email] [--match-id] [-c FILE] CONNINFO\n"
    "\n"
    "Moves the chats of another application into Parley's database. CONNINFO is libpq's (\"dbname=old host=...\", a\n"
    "postgresql:// address, or a database's name); it is only read. Its tables are found on the role's search path;\n"
    "for another schema say options=-csearch_path=NAME.\n"
    "\n"
    "  --dry-run       read everything, write nothing, say what would be done\n"
    "  --source NAME   what ids of there are told apart by; default: the database's name. Keep it from run to run\n"
    "  --match-email   whose e-mail address has an account here, gets the data there; else such owners are left out\n"
    "  --match-id      the same for whose id is that of an account that was not imported from there\n"
    "\n"
    "It may be run again at any time: what is there already stays, what is new is added.\n";

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool is_stopped(void)
{
    return stopped;
}

/* The first signal ends the import after what it is at, the second at once. */
static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static void print_progress(int64_t done, int64_t total, const char *end)
{
    fprintf(stderr, "%lld of %lld message%s%s", (long long)done, (long long)total, total == 1 ? "" : "s", end);
}

/* Says it when a second has passed since it was said, or since the first call. */
static void say_progress(int64_t done, int64_t total)
{
    static int64_t said;
    int64_t now = clock_monotonic_ms();
    if (!said)
        said = now;
    if (now - said < PROGRESS_MS)
        return;
    said = now;
    print_progress(done, done > total ? done : total, isatty(STDERR_FILENO) ? "\r" : "\n");
}

static bool read_order(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {
        {"dry-run", no_argument, NULL, 'n'},     {"source", required_argument, NULL, 's'},
        {"match-email", no_argument, NULL, 'm'}, {"match-id", no_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    *order = (struct order){0};
    int letter;
    optind = 1;
    while ((letter = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (letter == 'n')
            order->dry_run = true;
        else if (letter == 's')
            order->source = optarg;
        else if (letter == 'm')
            order->match_email = true;
        else if (letter == 'i')
            order->match_id = true;
        else if (letter == 'h')
            order->help = true;
        else if (letter == 'c')
            order->file = optarg;
        else
            return false;
    }
    order->conninfo = optind < argc ? argv[optind++] : NULL;
    return order->help || (order->conninfo && optind == argc);
}

static void print_report(const struct legacy_import *import)
{
    printf("source: %s%s\n", import->legacy.source, import->legacy.dry_run ? " (a dry run: nothing is written)" : "");
    for (unsigned form = 0; form < LEGACY_FORMS_MAX; form++)
        if (import->reports[form].read)
            legacy_report_print(&import->reports[form], stdout);
}

/* What the end means to the caller, and a sentence where it is not good. */
static int say_end(enum status status, const struct fault *fault)
{
    if (status == ST_OK)
        return EXIT_SUCCESS;
    if (status == ST_NOT_FOUND) {
        fputs("parley: no tables of a known form on that database's search path\n", stderr);
        return EX_DATAERR;
    }
    if (status == ST_FORBIDDEN) {
        fputs("parley: the other database refuses to be read: see the line above\n", stderr);
        return EX_DATAERR;
    }
    fprintf(stderr, "parley: ended early%s%s; what is said above is done, and running it again goes on\n",
            stopped         ? " on request"
            : fault->detail ? ": "
                            : "",
            !stopped && fault->detail ? fault->detail : "");
    return status == ST_UNAVAILABLE ? EX_TEMPFAIL : EX_SOFTWARE;
}

static bool is_name(const char *source)
{
    size_t n = strlen(source);
    return n && utf8_valid(source, n) && utf8_length(source, n) <= LEGACY_SOURCE_MAX;
}

static int run(struct call *call, const struct order *order)
{
    struct source *source;
    if (source_open(&source, order->conninfo, is_stopped) != ST_OK) {
        fputs("parley: the other database cannot be reached: see the line above\n", stderr);
        return EX_TEMPFAIL;
    }
    struct legacy_import import = {
        .legacy = {call, order->source ? order->source : source_name(source), order->dry_run, order->match_email,
                   order->match_id},
        .source = source,
        .progress = say_progress,
    };
    int end = EX_USAGE;
    if (is_name(import.legacy.source)) {
        enum status status = legacy_import_run(&import);
        /* The total was a guess; now it is known. */
        if (status == ST_OK)
            print_progress(import.done, import.done, "\n");
        print_report(&import);
        end = say_end(status, &call->fault);
    } else
        fputs("parley: --source has to be 1 to 200 characters of UTF-8\n", stderr);
    source_close(source);
    return end;
}

/* Asks first what serving asks. */
static int run_guarded(const struct settings *settings, const struct order *order)
{
    struct call call;
    const char *reason = NULL;
    struct arena *arena = arena_new(ARENA_CAP + 16 * (size_t)settings->max_message_bytes);
    struct db *db = db_new(settings);
    enum status status = arena && db ? guard_check(db, arena, settings, &reason) : ST_UNAVAILABLE;
    int end = status == ST_FORBIDDEN ? EX_CONFIG : EX_TEMPFAIL;
    if (status == ST_OK) {
        call_init(&call, arena, db, settings);
        end = run(&call, order);
    } else
        fprintf(stderr, "parley: %s\n", reason ? reason : "Parley's own database cannot be asked: see the line above");
    db_free(db);
    arena_free(arena);
    return end;
}

int import_command(int argc, char **argv)
{
    struct order order;
    if (!read_order(argc, argv, &order)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    if (order.help) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    char dash_c[] = "-c", *config_argv[] = {argv[0], dash_c, NULL, NULL};
    char *file = order.file ? strdup(order.file) : NULL;
    config_argv[2] = file;
    struct config *config = commands_config(file ? 3 : 1, config_argv, CONFIG_DATABASE);
    watch_signals();
    int end = config ? run_guarded(&config->settings, &order) : EX_CONFIG;
    config_free(config);
    free(file);
    return end;
}
