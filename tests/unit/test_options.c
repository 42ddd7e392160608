/* The table of options. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"
#include "server/config.h"
#include "server/options.h"
#include "unit.h"

void suite_options(void);

/* Words stand between single spaces, and the default is one of them. */
static int has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
        if (!strncmp(at, word, n) && (at[n] == ' ' || !at[n]))
            return 1;
    return 0;
}

static void options_are_named_once_and_explained_in_a_line(void)
{
    for (const struct option *option = options_table; option->name; option++) {
        CU_ASSERT(option->help && *option->help && !strchr(option->help, '\n') && !strchr(option->help, '|'));
        if (*option->name)
            CU_ASSERT_PTR_EQUAL(options_find(option->name), option);
        if (*option->name)
            CU_ASSERT_PTR_NOT_NULL(option->standard);
    }
}

static void options_have_defaults_that_they_allow(void)
{
    char *const nothing[] = {NULL};
    struct config *config = config_read(NULL, nothing, CONFIG_DATABASE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_EQUAL(config->errors, 0);
    CU_ASSERT_EQUAL(config->settings.max_requests, 10000);
    CU_ASSERT_EQUAL(config->settings.quota_requests_per_minute, 600);
    CU_ASSERT_EQUAL(config->settings.refresh_token_seconds, 2592000);
    CU_ASSERT_STRING_EQUAL(config->settings.listen, "/run/parley/parley.sock");
    CU_ASSERT_STRING_EQUAL(config->settings.cookie_secure, "auto");
    CU_ASSERT(config->settings.prepared && config->settings.signup && !config->settings.single_role);
    for (const struct option *option = options_table; option->name; option++)
        if (option->type == OPTION_SWITCH || option->type == OPTION_CHOICE)
            CU_ASSERT(has_word(option->words, option->standard));
    config_free(config);
}

static void options_do_not_share_a_place(void)
{
    for (const struct option *a = options_table; a->name; a++)
        for (const struct option *b = a + 1; b->name; b++)
            CU_ASSERT(!*a->name || !*b->name || a->place != b->place);
}

static void options_find_knows_no_other_name(void)
{
    CU_ASSERT_PTR_NULL(options_find("worker"));
    CU_ASSERT_PTR_NULL(options_find("WORKERS"));
    CU_ASSERT_PTR_NULL(options_find(""));
}

static void options_say_what_is_allowed(void)
{
    char text[OPTIONS_ALLOWED_MAX];
    CU_ASSERT_STRING_EQUAL(options_allowed(options_find("workers"), text), "a number from 0 to 128");
    CU_ASSERT_STRING_EQUAL(options_allowed(options_find("cookie_secure"), text), "auto, on or off");
    CU_ASSERT_STRING_EQUAL(options_allowed(options_find("signup"), text), "off or on");
}

/* The example with every comment sign before an option taken away is a file that can be read. */
static void options_example_can_be_read_back(void)
{
    char path[] = "/tmp/parley-example-XXXXXX", *text = NULL;
    size_t size = 0;
    int fd = mkstemp(path);
    FILE *out = open_memstream(&text, &size), *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    CU_ASSERT_FATAL(out && file);
    options_print_example(out);
    fclose(out);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        fprintf(file, "%s\n", line[0] == '#' && line[1] != ' ' ? line + 1 : line);
    fclose(file);
    char *const nothing[] = {NULL};
    struct config *config = config_read(path, nothing, CONFIG_DATABASE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_EQUAL(config->problems, 0);
    CU_ASSERT_EQUAL(config->settings.idempotency_hours, 24);
    config_free(config);
    unlink(path);
    free(text);
}

void suite_options(void)
{
    CU_pSuite suite = CU_add_suite("options", NULL, NULL);
    UNIT_TEST(suite, options_are_named_once_and_explained_in_a_line);
    UNIT_TEST(suite, options_have_defaults_that_they_allow);
    UNIT_TEST(suite, options_do_not_share_a_place);
    UNIT_TEST(suite, options_find_knows_no_other_name);
    UNIT_TEST(suite, options_say_what_is_allowed);
    UNIT_TEST(suite, options_example_can_be_read_back);
}
