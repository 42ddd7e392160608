/* Reading the configuration: values, places of problems, secrets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config.h"
#include "unit.h"

#define SECRET "0123456789abcdef0123456789abcdef"

void suite_config(void);

static char folder[] = "/tmp/parley-config-XXXXXX";
static char file_path[64], secret_path[64], secret_variable[128];
static const char *const nothing[] = {NULL};
static const char *const with_secret[] = {secret_variable, NULL};

static void write_file(const char *path, const char *text, size_t n, mode_t mode)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text, 1, n, file), n);
    fclose(file);
    CU_ASSERT_EQUAL(chmod(path, mode), 0);
}

static int make_folder(void)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(file_path, sizeof(file_path), "%s/conf", folder);
    snprintf(secret_path, sizeof(secret_path), "%s/secret", folder);
    snprintf(secret_variable, sizeof(secret_variable), "PARLEY_JWT_SECRET_FILE=%s", secret_path);
    return 0;
}

static int remove_folder(void)
{
    unlink(file_path);
    unlink(secret_path);
    return rmdir(folder);
}

/* config_read with an environment of at most 7 variables. */
static struct config *read_at(const char *path, const char *const *variables, enum config_use use)
{
    char *environment[8] = {NULL};
    for (unsigned i = 0; variables[i]; i++)
        environment[i] = strdup(variables[i]);
    struct config *config = config_read(path, environment, use);
    for (unsigned i = 0; environment[i]; i++)
        free(environment[i]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    return config;
}

static struct config *read_text(const char *text, const char *const *variables, enum config_use use)
{
    write_file(file_path, text, strlen(text), 0600);
    return read_at(file_path, variables, use);
}

/* Whether a problem says all of that. */
static int complains(const struct config *config, const char *place, const char *what)
{
    for (unsigned i = 0; i < config->problems; i++)
        if (strstr(config->problem[i].text, place) && strstr(config->problem[i].text, what))
            return 1;
    return 0;
}

static void config_reads_lines_comments_and_blanks(void)
{
    struct config *config = read_text(
        "# a comment\n\n  workers=7 \r\ndatabase = host=/tmp dbname=a#b\n\troles = single", nothing, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->problems, 0);
    CU_ASSERT_EQUAL(config->settings.workers, 7);
    CU_ASSERT_EQUAL(config->settings.hashes_at_once, 3);
    CU_ASSERT_STRING_EQUAL(config->settings.database, "host=/tmp dbname=a#b");
    CU_ASSERT_TRUE(config->settings.single_role);
    config_free(config);
}

static void config_tells_every_problem_with_its_line(void)
{
    struct config *config = read_text("workers = many\nwrkers = 3\nnonsense\nmax_requests = -1\nsignup = yes\n"
                                      "listen = 127.0.0.1:9000\nworkers = 4\ndrain_seconds = 99999999999999999999\n",
                                      nothing, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->errors, 8);
    CU_ASSERT(complains(config, "conf:1: ", "a number from 0 to 128"));
    CU_ASSERT(complains(config, "conf:2: ", "wrkers is not an option"));
    CU_ASSERT(complains(config, "conf:3: ", "name = value"));
    CU_ASSERT(complains(config, "conf:4: ", "max_requests"));
    CU_ASSERT(complains(config, "conf:5: ", "off or on is allowed"));
    CU_ASSERT(complains(config, "conf:6: ", "a path"));
    CU_ASSERT(complains(config, "conf:7: ", "line 1 already"));
    CU_ASSERT(complains(config, "conf:8: ", "drain_seconds"));
    config_free(config);
}

static void config_refuses_bytes_that_are_no_text(void)
{
    static const char bytes[] = "jwt_issuer = a\0b\njwt_audience = \xff\njwt_issuer = a\x1b[1m\n";
    write_file(file_path, bytes, sizeof(bytes) - 1, 0600);
    struct config *config = read_at(file_path, nothing, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->errors, 3);
    CU_ASSERT(complains(config, "conf:1: ", "NUL"));
    CU_ASSERT(complains(config, "conf:2: ", "UTF-8"));
    CU_ASSERT(complains(config, "conf:3: ", "control"));
    config_free(config);
}

static void config_overlooks_a_byte_order_mark(void)
{
    struct config *config = read_text("\xef\xbb\xbfworkers = 3\n", nothing, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->problems, 0);
    CU_ASSERT_EQUAL(config->settings.workers, 3);
    config_free(config);
}

static void config_refuses_paths_that_cannot_be_meant(void)
{
    struct config *config = read_text("listen = /run/parley/\njwt_secret_file = secret\n", nothing, CONFIG_SERVE);
    CU_ASSERT(config->errors == 2 && complains(config, "listen", "folder"));
    CU_ASSERT(complains(config, "conf:2: ", "begins with /"));
    config_free(config);
}

static void config_says_that_the_file_is_missing(void)
{
    struct config *config = read_at("/tmp/parley/is/not/here", nothing, CONFIG_DATABASE);
    CU_ASSERT(complains(config, "/tmp/parley/is/not/here: ", "cannot be read"));
    config_free(config);
}

static void config_lets_the_environment_win(void)
{
    const char *const environment[] = {"PARLEY_WORKERS=9", "HOME=/", "WORKERS=1", NULL};
    struct config *config = read_text("workers = 2\n", environment, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->problems, 0);
    CU_ASSERT_EQUAL(config->settings.workers, 9);
    config_free(config);
}

static void config_names_the_variable_at_fault(void)
{
    const char *const environment[] = {"PARLEY_WORKERS=", NULL};
    struct config *config = read_at(NULL, environment, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->errors, 1);
    CU_ASSERT(complains(config, "PARLEY_WORKERS: ", "workers"));
    config_free(config);
}

static void config_warns_of_unknown_variables_only(void)
{
    const char *const environment[] = {"PARLEY_WORKRES=9", "PARLEY_STATE=/tmp",         "PARLEY_PORT=1",
                                       "PARLEY_CONFIG=/x", "PARLEY_MODEL_URL=http://m", NULL};
    struct config *config = read_at(NULL, environment, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->errors, 0);
    CU_ASSERT_EQUAL(config->problems, 1);
    CU_ASSERT(config->problem[0].warning && complains(config, "PARLEY_WORKRES", "no option"));
    config_free(config);
}

static void config_needs_a_secret_to_serve(void)
{
    struct config *config = read_at(NULL, nothing, CONFIG_SERVE);
    CU_ASSERT(config->errors == 1 && complains(config, "jwt_secret_file", "not set"));
    config_free(config);
}

static void config_reads_a_secret_without_its_newline(void)
{
    write_file(secret_path, SECRET "\n", strlen(SECRET) + 1, 0600);
    struct config *config = read_at(NULL, with_secret, CONFIG_SERVE);
    CU_ASSERT_EQUAL(config->errors, 0);
    CU_ASSERT_EQUAL(config->settings.jwt_secret.len, strlen(SECRET));
    CU_ASSERT_EQUAL(memcmp(config->settings.jwt_secret.bytes, SECRET, strlen(SECRET)), 0);
    config_free(config);
}

static void refuse_secret(const char *text, size_t n, mode_t mode, const char *why)
{
    write_file(secret_path, text, n, mode);
    struct config *config = read_at(NULL, with_secret, CONFIG_SERVE);
    CU_ASSERT(config->errors > 0 && complains(config, "PARLEY_JWT_SECRET_FILE: ", why));
    CU_ASSERT_EQUAL(config->settings.jwt_secret.len, 0);
    for (unsigned i = 0; i < config->problems; i++)
        CU_ASSERT_PTR_NULL(strstr(config->problem[i].text, "0123456789"));
    config_free(config);
}

static void config_refuses_a_short_a_long_or_an_open_secret(void)
{
    char text[300];
    memset(text, 'x', sizeof(text));
    refuse_secret(SECRET, strlen(SECRET) - 1, 0600, "too short");
    refuse_secret(&SECRET "\n"[1], strlen(SECRET), 0600, "too short");
    refuse_secret(text, 257, 0600, "too long");
    refuse_secret(text, 300, 0600, "too long");
    refuse_secret(SECRET, strlen(SECRET), 0644, "chmod 600");
    refuse_secret(SECRET, strlen(SECRET), 0602, "chmod 600");
}

static void config_takes_a_secret_of_256_bytes_that_its_group_reads(void)
{
    char text[257];
    memset(text, 'x', sizeof(text));
    text[256] = '\n';
    write_file(secret_path, text, sizeof(text), 0640);
    struct config *config = read_at(NULL, with_secret, CONFIG_SERVE);
    CU_ASSERT(config->errors == 0 && config->settings.jwt_secret.len == 256);
    config_free(config);
}

static void config_leaves_secrets_alone_where_none_is_needed(void)
{
    unlink(secret_path);
    struct config *config = read_at(NULL, with_secret, CONFIG_DATABASE);
    CU_ASSERT_EQUAL(config->errors, 0);
    config_free(config);
}

static void config_refuses_what_does_not_fit_together(void)
{
    struct config *config = read_text("max_body_bytes = 2000\nmax_message_bytes = 3000\napp_role =\n"
                                      "allowed_origins = https://a.example https://b.example/ *\n",
                                      nothing, CONFIG_DATABASE);
    CU_ASSERT(complains(config, "max_message_bytes", "max_body_bytes"));
    CU_ASSERT(complains(config, "app_role", "name"));
    CU_ASSERT(complains(config, "allowed_origins: https://b.example/ ", "not like"));
    CU_ASSERT(complains(config, "allowed_origins: * ", "not like"));
    CU_ASSERT_EQUAL(config->errors, 4);
    config_free(config);
}

static void config_needs_the_secret_of_trusted_header(void)
{
    write_file(secret_path, SECRET, strlen(SECRET), 0600);
    struct config *config = read_text("trusted_header = on\n", with_secret, CONFIG_SERVE);
    CU_ASSERT(config->errors == 1 && complains(config, "trusted_header", "trusted_header_secret_file"));
    config_free(config);
}

void suite_config(void)
{
    CU_pSuite suite = CU_add_suite("config", make_folder, remove_folder);
    UNIT_TEST(suite, config_reads_lines_comments_and_blanks);
    UNIT_TEST(suite, config_tells_every_problem_with_its_line);
    UNIT_TEST(suite, config_refuses_bytes_that_are_no_text);
    UNIT_TEST(suite, config_overlooks_a_byte_order_mark);
    UNIT_TEST(suite, config_refuses_paths_that_cannot_be_meant);
    UNIT_TEST(suite, config_says_that_the_file_is_missing);
    UNIT_TEST(suite, config_lets_the_environment_win);
    UNIT_TEST(suite, config_names_the_variable_at_fault);
    UNIT_TEST(suite, config_warns_of_unknown_variables_only);
    UNIT_TEST(suite, config_needs_a_secret_to_serve);
    UNIT_TEST(suite, config_reads_a_secret_without_its_newline);
    UNIT_TEST(suite, config_refuses_a_short_a_long_or_an_open_secret);
    UNIT_TEST(suite, config_takes_a_secret_of_256_bytes_that_its_group_reads);
    UNIT_TEST(suite, config_leaves_secrets_alone_where_none_is_needed);
    UNIT_TEST(suite, config_refuses_what_does_not_fit_together);
    UNIT_TEST(suite, config_needs_the_secret_of_trusted_header);
}
