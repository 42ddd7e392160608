/* `parley helper`: named assistants, for the administrator. */
#include "server/helpers.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "core/helper.h"
#include "server/commands.h"

#define ARENA_CAP  ((size_t)4 << 20)
#define PROMPT_MAX ((size_t)256 << 10) /* bytes */

struct order {
    const char *verb, *file, *prompt_file;
    struct helper_change change;
};

/* The bytes of a file that is open; NULL: it cannot be read. The arena's memory is zeroed: a NUL ends them. */
static char *read_open(struct arena *arena, FILE *file, size_t *n)
{
    char *text = arena_alloc(arena, PROMPT_MAX + 2);
    *n = text ? fread(text, 1, PROMPT_MAX + 1, file) : 0;
    return text && !ferror(file) ? text : NULL;
}

/* The prompt's file as it is; -: the standard input, which need not be this user's to open. */
static enum status read_prompt(struct call *call, const char *path, const char **prompt)
{
    bool given = strcmp(path, "-") == 0;
    FILE *file = given ? stdin : fopen(path, "re");
    size_t n = 0;
    errno = file ? 0 : errno;
    const char *text = file ? read_open(call->arena, file, &n) : NULL;
    int error = errno;
    if (file && !given)
        (void)fclose(file);
    if (!text)
        return fault_set(
            &call->fault, ST_INVALID, NULL,
            arena_printf(call->arena, "The prompt's file \"%s\" cannot be read: %s.", path, strerror(error)));
    if (n > PROMPT_MAX || !utf8_valid(text, n) || strlen(text) != n)
        return fault_set(
            &call->fault, ST_INVALID, NULL,
            arena_printf(call->arena, "The prompt has to be UTF-8 text of at most %zu bytes.", PROMPT_MAX));
    *prompt = text;
    return ST_OK;
}

static bool read_order(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {{"display-name", required_argument, NULL, 'd'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"prompt", required_argument, NULL, 'p'},
                                            {"greeting", required_argument, NULL, 'g'},
                                            {NULL, 0, NULL, 0}};
    *order = (struct order){0};
    int letter;
    optind = 1;
    while ((letter = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (letter == 'c')
            order->file = optarg;
        else if (letter == 'd')
            order->change.display_name = optarg;
        else if (letter == 'm')
            order->change.model = optarg;
        else if (letter == 'p')
            order->prompt_file = optarg;
        else if (letter == 'g')
            order->change.greeting = optarg;
        else
            return false;
    }
    order->verb = optind < argc ? argv[optind++] : "";
    order->change.name = optind < argc ? argv[optind++] : NULL;
    bool listing = strcmp(order->verb, "list") == 0;
    return optind == argc && listing == !order->change.name;
}

static enum status list(struct call *call)
{
    struct helper_list found;
    enum status status = helper_list(call, &found);
    for (unsigned i = 0; status == ST_OK && i < found.count; i++)
        printf("%-20s %-30s %s\n", found.helper[i].name, found.helper[i].display_name,
               found.helper[i].model ? found.helper[i].model : "-");
    return status;
}

static enum status obey(struct call *call, struct order *order)
{
    if (strcmp(order->verb, "list") == 0)
        return list(call);
    if (!pattern_matches(PATTERN_NAME, order->change.name))
        return fault_set(&call->fault, ST_INVALID, NULL, "A name has a-z, 0-9, _ and -, and starts with a letter.");
    if (strcmp(order->verb, "remove") == 0)
        return helper_remove(call, order->change.name);
    if (order->prompt_file) {
        enum status status = read_prompt(call, order->prompt_file, &order->change.system_prompt);
        if (status != ST_OK)
            return status;
    }
    return helper_set(call, &order->change);
}

static enum status run(const struct settings *settings, struct order *order)
{
    struct call call;
    struct arena *arena = arena_new(ARENA_CAP);
    struct db *db = db_new(settings);
    enum status status = ST_UNAVAILABLE;
    if (arena && db) {
        call_init(&call, arena, db, settings);
        status = obey(&call, order);
        if (status == ST_INTERNAL)
            fputs("parley: refused: PARLEY_DATABASE has to name the role that owns the schema\n", stderr);
        else if (status != ST_OK)
            fprintf(stderr, "parley: %s\n", call.fault.detail ? call.fault.detail : status_code(status));
    }
    db_free(db);
    arena_free(arena);
    return status;
}

int helpers_command(int argc, char **argv)
{
    struct order order;
    bool known = read_order(argc, argv, &order) &&
                 (!strcmp(order.verb, "list") || !strcmp(order.verb, "set") || !strcmp(order.verb, "remove"));
    if (!known) {
        fputs("usage: parley helper list | set NAME [--display-name TEXT] [--model NAME] [--prompt FILE|-] "
              "[--greeting TEXT] | remove NAME  [-c FILE]\n",
              stderr);
        return EX_USAGE;
    }
    char dash_c[] = "-c", *config_argv[] = {argv[0], dash_c, NULL, NULL};
    char *file = order.file ? strdup(order.file) : NULL;
    config_argv[2] = file;
    struct config *config = commands_config(file ? 3 : 1, config_argv, CONFIG_DATABASE);
    enum status status = config ? run(&config->settings, &order) : ST_INVALID;
    config_free(config);
    free(file);
    return status == ST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
