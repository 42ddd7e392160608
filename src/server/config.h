/*
 * The configuration: one file of `key = value` lines, then PARLEY_<NAME> of the environment, into struct settings.
 */
#ifndef PARLEY_SERVER_CONFIG_H
#define PARLEY_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

#define CONFIG_PROBLEMS_MAX  64
#define CONFIG_STANDARD_PATH "/etc/parley/parley.conf"

/* What a command needs of it: only those that serve read the secrets, so that the others run without a right to them.
 */
enum config_use { CONFIG_SERVE, CONFIG_DATABASE };

struct config_problem {
    bool warning;     /* else an error */
    const char *text; /* with its place: "file:line: ..." */
};

struct config {
    struct arena *arena;
    struct settings settings; /* complete only when there are no errors */
    unsigned errors;
    unsigned problems;
    struct config_problem problem[CONFIG_PROBLEMS_MAX]; /* those beyond are counted in errors alone */
};

/* Reads path (NULL: no file) and the environment, a NULL-terminated array of "NAME=value". All that is wrong stands in
 * the problems afterwards, not just the first. NULL: memory is out. */
struct config *config_read(const char *path, char *const *environment, enum config_use use);

/* Wipes and frees it, with the texts its settings point to. NULL is allowed. */
void config_free(struct config *config);

/* Prints the problems, a line each. */
void config_complain(const struct config *config, FILE *out);

/* The file to read: the given one, else $PARLEY_CONFIG, else /etc/parley/parley.conf when it is there, else NULL. */
const char *config_path(const char *given);

#endif
