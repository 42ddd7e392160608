/*
 * The commands of the program.
 *
 * What must stay true: what they find goes to stdout, what is wrong to stderr; the exit status is 0 only when all was
 * well.
 */
#include "server/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "api/api.h"
#include "base/arena.h"
#include "base/crypto.h"
#include "base/log.h"
#include "db/guard.h"
#include "db/migrate.h"
#include "relay/model_request.h"
#include "relay/transfer.h"
#include "server/master.h"
#include "server/options.h"
#include "server/systemd.h"

#define COMMAND_ARENA ((size_t)1 << 20)
#define PURGE_BATCH   500
#define MODEL_MS      5000 /* how long doctor waits for a model server */

/* The file of `[-c FILE]`; false when the arguments are anything else. */
static bool read_arguments(int argc, char **argv, const char **file)
{
    *file = NULL;
    if (argc == 3 && !strcmp(argv[1], "-c"))
        *file = argv[2];
    else if (argc != 1) {
        fprintf(stderr, "usage: parley %s [-c FILE]\n", argv[0]);
        return false;
    }
    *file = config_path(*file);
    return true;
}

struct config *commands_config(int argc, char **argv, enum config_use use)
{
    const char *file;
    if (!read_arguments(argc, argv, &file))
        return NULL;
    struct config *config = config_read(file, environ, use);
    if (config)
        config_complain(config, stderr);
    if (config && config->errors && !file)
        fputs("no file was read: " CONFIG_STANDARD_PATH
              " is not there, and neither -c nor PARLEY_CONFIG names another\n",
              stderr);
    if (config && !config->errors) {
        log_open(STDERR_FILENO, (enum log_level)log_level_parse(config->settings.log_level));
        return config;
    }
    config_free(config);
    return NULL;
}

int commands_serve(int argc, char **argv)
{
    const char *file;
    if (geteuid() == 0) {
        fputs("parley: does not serve as root: start it as a user that can do nothing else\n", stderr);
        return EXIT_FAILURE;
    }
    if (!read_arguments(argc, argv, &file))
        return EX_USAGE;
    struct config *config = commands_config(argc, argv, CONFIG_SERVE);
    return config ? master_run(config, file) : EX_CONFIG;
}

bool commands_started_to_serve(void)
{
    return systemd_is_listener(STDIN_FILENO);
}

int commands_check(int argc, char **argv)
{
    struct config *config = commands_config(argc, argv, CONFIG_SERVE);
    if (!config)
        return EXIT_FAILURE;
    puts("the configuration is good");
    config_free(config);
    return EXIT_SUCCESS;
}

int commands_routes(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    route_print(api_routes, stdout);
    return EXIT_SUCCESS;
}

int commands_options(int argc, char **argv)
{
    if (argc < 2)
        options_print(stdout);
    else if (!strcmp(argv[1], "--example"))
        options_print_example(stdout);
    else if (!strcmp(argv[1], "--markdown"))
        options_print_markdown(stdout);
    else {
        fputs("usage: parley options [--example | --markdown]\n", stderr);
        return EX_USAGE;
    }
    return EXIT_SUCCESS;
}

int commands_migrate(int argc, char **argv)
{
    struct config *config = commands_config(argc, argv, CONFIG_DATABASE);
    enum status status = config ? migrate_run(&config->settings, stdout) : ST_INVALID;
    config_free(config);
    return status == ST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- doctor: one line a finding, and what to do --- */

static bool find(bool good, const char *what, const char *more)
{
    printf("%-8s%s%s%s\n", good ? "ok" : "failed", what, *more ? ": " : "", more);
    return good;
}

/* Asks what serving asks, by the role that serves. */
static bool examine_database(const struct settings *settings)
{
    const char *reason = NULL;
    struct arena *arena = arena_new(COMMAND_ARENA);
    struct db *db = db_new(settings);
    bool good = arena && db && db_connect(db) == ST_OK;
    find(good, "database", good ? "answers" : "cannot be reached: see the line above, the option `database` and PG*");
    if (good) {
        enum status status = guard_check(db, arena, settings, &reason);
        good = find(status == ST_OK, "guard",
                    status == ST_OK ? "every row is guarded from the role that serves"
                    : reason        ? reason
                                    : "could not be asked: see the line above");
        if (good)
            printf("%-8sschema: version %d\n", "ok", migrate_newest());
    }
    db_free(db);
    arena_free(arena);
    return good;
}

static bool examine_listener(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    bool good = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    const char *more = good              ? "accepts"
                       : errno == EACCES ? "this user may not connect: the web server has to be in the socket's group"
                       : errno == ENOENT || errno == ECONNREFUSED ? "nobody listens: start `parley serve`"
                                                                  : strerror(errno);
    if (fd >= 0)
        close(fd);
    return find(good, path, more);
}

/* What the model server's answer to GET <model_url>/models means; *word: ok, failed, or note, where serving may go well
 * all the same. */
static const char *judge_model(const struct transfer_probe *probe, const char **word)
{
    *word = "failed";
    if (probe->how == TRANSFER_UNPROVEN)
        return "its certificate does not hold for the host in model_url";
    if (probe->how == TRANSFER_UNREADABLE)
        return "what listens there does not speak HTTP: see model_url";
    if (!probe->status)
        return NULL;
    if (probe->status == 401 || probe->status == 403)
        return "refuses the key, or the want of one: see model_key_file";
    *word = probe->status < 300 ? "ok" : "note";
    if (probe->status == 404)
        return "answers, but has no /models there: is /v1 missing at the end of model_url? (Some servers have no such "
               "list.)";
    return probe->status < 300 ? "answers" : "answers, but does not list its models";
}

static bool examine_model(const struct settings *settings)
{
    char key[MODEL_KEY_MAX], more[160];
    const char *word;
    if (!*settings->model_url)
        return find(true, "model server", "none is configured: the built-in echo model answers");
    bool keyed = *settings->model_key_file;
    if (keyed && !model_request_read_key(settings->model_key_file, key))
        return find(false, "model server", "its key cannot be read: see the line above, and model_key_file");
    char *url = model_request_models_url(settings->model_url);
    struct transfer_probe probe = url ? transfer_ask(url, keyed ? key : NULL, MODEL_MS) : (struct transfer_probe){0};
    if (keyed)
        crypto_wipe(key, sizeof(key));
    free(url);
    const char *verdict = judge_model(&probe, &word);
    if (verdict)
        snprintf(more, sizeof(more), "%s (HTTP status %ld)", verdict, probe.status);
    else
        snprintf(more, sizeof(more), "cannot be reached: %s; see model_url",
                 probe.error ? probe.error : "memory is out");
    printf("%-8smodel server: %s\n", word, more);
    return strcmp(word, "failed") != 0;
}

int commands_doctor(int argc, char **argv)
{
    struct config *config = commands_config(argc, argv, CONFIG_SERVE);
    if (!find(config != NULL, "configuration", config ? "" : "see the lines above"))
        return EXIT_FAILURE;
    bool good = examine_database(&config->settings);
    good = examine_listener(config->settings.listen) && good;
    good = examine_model(&config->settings) && good;
    config_free(config);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- purge --- */

/* Removes what one query finds due, a batch a transaction; *total counts it. */
static enum status purge_all(struct db *db, struct arena *arena, enum query query, int64_t *total)
{
    enum status status;
    int64_t affected;
    *total = 0;
    do {
        struct db_tx tx;
        struct fault fault = {0};
        db_tx_init(&tx, arena);
        db_tx_claim(&tx, DB_CLAIM_PURGE, "due");
        const struct db_rows *rows = db_add(&tx, query, db_int(arena, PURGE_BATCH));
        status = db_run(db, &tx, DB_COMMIT, &fault);
        affected = status == ST_OK ? rows->affected : 0;
        *total += affected;
        arena_reset(arena);
    } while (affected == PURGE_BATCH);
    return status;
}

int commands_purge(int argc, char **argv)
{
    static const struct {
        enum query query;
        const char *what;
    } dues[] = {{QUERY_PURGE_SESSIONS, "sessions"},
                {QUERY_PURGE_IDEMPOTENCY_KEYS, "idempotency keys"},
                {QUERY_PURGE_REFRESH_TOKENS, "refresh tokens"},
                {QUERY_PURGE_LOGIN_ATTEMPTS, "login attempts"},
                {QUERY_PURGE_TURN_EVENTS, "events of turns"}};
    struct config *config = commands_config(argc, argv, CONFIG_DATABASE);
    struct arena *arena = config ? arena_new(COMMAND_ARENA) : NULL;
    struct db *db = arena ? db_new(&config->settings) : NULL;
    enum status status = db ? ST_OK : ST_UNAVAILABLE;
    /* One kind that fails does not keep the others. */
    for (unsigned i = 0; db && i < sizeof(dues) / sizeof(dues[0]); i++) {
        int64_t total;
        enum status purged = purge_all(db, arena, dues[i].query, &total);
        printf("%s: %lld removed%s\n", dues[i].what, (long long)total, purged == ST_OK ? "" : ", then it failed");
        status = status == ST_OK ? purged : status;
    }
    db_free(db);
    arena_free(arena);
    config_free(config);
    return status == ST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
