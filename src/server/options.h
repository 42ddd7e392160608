/*
 * The table of options: every setting of the program, once. It is the source of `parley help options`, of the example
 * file and of the documentation; server/config.c reads values by it.
 */
#ifndef PARLEY_SERVER_OPTIONS_H
#define PARLEY_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum option_type {
    OPTION_TEXT,   /* const char *: any one line */
    OPTION_PATH,   /* const char *: an absolute path */
    OPTION_NUMBER, /* int, from min to max */
    OPTION_CHOICE, /* const char *: one of the words */
    OPTION_SWITCH, /* bool: the first of two words is false, the second is true */
    OPTION_SECRET, /* struct settings_secret: the value is the path of the file that holds it */
};

struct option {
    const char *name;
    enum option_type type;
    const char *standard; /* the value when nobody sets one */
    int min;
    int max;
    const char *words; /* of a choice or a switch, with a space between them */
    size_t place;      /* in struct settings */
    bool optional;     /* of a path: may be empty, for none */
    bool at_start;     /* counts when the program starts: a reload does not change it */
    const char *help;  /* one line */
};

/* Ends with a name of NULL. A row whose help alone is set is a heading. */
extern const struct option options_table[];

/* The option of that name; NULL when there is none. */
const struct option *options_find(const char *name);

/* What may be set, in words: "a number from 1 to 5", "on or off". */
#define OPTIONS_ALLOWED_MAX 96
const char *options_allowed(const struct option *option, char text[OPTIONS_ALLOWED_MAX]);

/* The whole table: for a terminal, as a file to start from, and as a table in Markdown. */
void options_print(FILE *out);
void options_print_example(FILE *out);
void options_print_markdown(FILE *out);

#endif
