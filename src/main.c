/*
 * The program's entrance: a table of commands.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/pattern.h"
#include "server/accounts.h"
#include "server/commands.h"
#include "server/helpers.h"
#include "server/import.h"
#include "server/options.h"
#include "server/title.h"

static int version(int argc, char **argv);
static int help(int argc, char **argv);

static const struct command {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "[-c FILE]", "answer requests: master and workers, or one worker on descriptor 0", commands_serve},
    {"check", "[-c FILE]", "read the configuration and say what is wrong with it", commands_check},
    {"doctor", "[-c FILE]", "look at configuration, database and listener, and say what to do", commands_doctor},
    {"migrate", "[-c FILE]", "bring the database to this program's schema, as its owner", commands_migrate},
    {"purge", "[-c FILE]", "remove what is over: run it every day", commands_purge},
    {"user", "VERB EMAIL [-c FILE]", "add, password, show, remove, claim: accounts, for the administrator",
     accounts_command},
    {"helper", "VERB [NAME ...]", "list, set, remove: named assistants, for the administrator", helpers_command},
    {"import-legacy", "[OPTIONS] CONNINFO", "move chats here from another application's database: --help",
     import_command},
    {"routes", "", "list what can be called, and by whom", commands_routes},
    {"options", "[--example | --markdown]", "list the options of the configuration", commands_options},
    {"version", "", "say the version", version},
    {"help", "[options]", "this text, or the list of options", help},
    {NULL, NULL, NULL, NULL},
};

static int version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts(PACKAGE_STRING);
    return 0;
}

static int help(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "options")) {
        options_print(stdout);
        return 0;
    }
    puts("usage: parley COMMAND");
    for (const struct command *command = commands; command->name; command++)
        printf("  %-15s%-26s%s\n", command->name, command->arguments, command->help);
    puts("FILE is $PARLEY_CONFIG or /etc/parley/parley.conf when not given.");
    return 0;
}

int main(int argc, char **argv)
{
    title_init(argc, argv);
    if (!pattern_init()) {
        fputs("parley: memory is out\n", stderr);
        return EX_OSERR;
    }
    if (argc < 2 && commands_started_to_serve())
        return commands_serve(argc, argv);
    for (const struct command *command = commands; argc > 1 && command->name; command++)
        if (!strcmp(command->name, argv[1]))
            return command->run(argc - 1, argv + 1);
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return help(1, argv);
    if (argc > 1 && !strcmp(argv[1], "--version"))
        return version(1, argv);
    fprintf(stderr, "parley: %s: `parley help` lists the commands\n", argc > 1 ? argv[1] : "a command is needed");
    return EX_USAGE;
}
