/* The log: one event, one line, one write. */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "unit.h"

void suite_log(void);

static int pipe_ends[2];

static int open_pipe(void)
{
    if (pipe(pipe_ends) < 0)
        return 1;
    log_open(pipe_ends[1], LOG_LEVEL_INFO);
    return 0;
}

static int close_pipe(void)
{
    log_open(2, LOG_LEVEL_INFO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

/* What stands in the pipe; "" when nothing was logged. */
static const char *logged(void)
{
    static char text[8192];
    if (write(pipe_ends[1], "", 1) != 1)
        return "";
    size_t n = 0;
    while (n == 0 || text[n - 1] != '\0') {
        ssize_t got = read(pipe_ends[0], text + n, sizeof(text) - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return text;
}

/* The line from " event=" on. */
static const char *logged_event(void)
{
    const char *event = strstr(logged(), "event=");
    return event ? event : "";
}

static void log_writes_a_line_of_fields_in_order(void)
{
    log_event(LOG_LEVEL_INFO, "listening", log_str("path", "/run/p.sock"), log_int("workers", -4));
    const char *line = logged();
    CU_ASSERT_EQUAL(strncmp(line, "ts=20", 5), 0);
    CU_ASSERT_EQUAL(strncmp(line + 27, " level=info pid=", 16), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, " event=listening path=/run/p.sock workers=-4\n"));
    CU_ASSERT_EQUAL(strchr(line, '\n')[1], '\0');
}

static void log_drops_lines_above_the_level(void)
{
    log_event(LOG_LEVEL_DEBUG, "chatter", log_int("n", 1));
    CU_ASSERT_STRING_EQUAL(logged(), "");
    log_fields(LOG_LEVEL_ERROR, "broken", NULL, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(logged(), "level=error"));
}

static void log_names_the_request_until_it_ends(void)
{
    log_request("req-12345");
    log_fields(LOG_LEVEL_WARN, "slow", NULL, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(logged(), " request=req-12345 event=slow\n"));
    log_request(NULL);
    log_fields(LOG_LEVEL_WARN, "slow", NULL, 0);
    CU_ASSERT_PTR_NULL(strstr(logged(), "request="));
}

static void log_quotes_and_escapes_values(void)
{
    static const struct {
        const char *value, *written;
    } values[] = {
        {"plain", "plain"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\r\x1b[31m", "\"line\\x0abreak\\x0d\\x1b[31m\""},
        {"caf\xC3\xA9", "caf\xC3\xA9"},
        {"bad\xFF\xC3", "\"bad\\xff\\xc3\""},
        {"c1\xC2\x9B", "\"c1\\xc2\\x9b\""},
        {"del\x7f", "\"del\\x7f\""},
        {NULL, "-"},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char expected[128] = "event=e v=";
        strcat(expected, values[i].written);
        strcat(expected, "\n");
        log_event(LOG_LEVEL_INFO, "e", log_str("v", values[i].value));
        CU_ASSERT_STRING_EQUAL(logged_event(), expected);
    }
}

static void log_cuts_long_values_at_a_character(void)
{
    char value[2048];
    for (size_t i = 0; i + 3 < sizeof(value); i += 3)
        memcpy(value + i, "\xE2\x82\xAC", 3);
    value[2046] = '\0';
    log_event(LOG_LEVEL_INFO, "e", log_str("v", value), log_int("next", 1));
    const char *line = logged_event();
    CU_ASSERT(utf8_valid(line, strlen(line)));
    CU_ASSERT_EQUAL(strlen(line), strlen("event=e v=") + 510 + strlen(" next=1\n"));
}

static void log_keeps_lines_within_4_kib_and_says_what_is_missing(void)
{
    char value[600];
    memset(value, '\x01', sizeof(value) - 1);
    value[599] = '\0';
    struct log_field fields[20];
    for (int i = 0; i < 20; i++)
        fields[i] = log_str("v", value);
    log_fields(LOG_LEVEL_INFO, "e", fields, 20);
    const char *line = logged();
    size_t n = strlen(line);
    CU_ASSERT(n <= 4096 && n > 3000);
    CU_ASSERT_STRING_EQUAL(line + n - 10, " cut=true\n");
}

static void log_leaves_errno_alone(void)
{
    log_open(-1, LOG_LEVEL_INFO);
    errno = ENOENT;
    log_fields(LOG_LEVEL_INFO, "nowhere", NULL, 0);
    CU_ASSERT_EQUAL(errno, ENOENT);
    log_open(pipe_ends[1], LOG_LEVEL_INFO);
}

static void log_level_parse_knows_four_names(void)
{
    CU_ASSERT_EQUAL(log_level_parse("error"), LOG_LEVEL_ERROR);
    CU_ASSERT_EQUAL(log_level_parse("warn"), LOG_LEVEL_WARN);
    CU_ASSERT_EQUAL(log_level_parse("info"), LOG_LEVEL_INFO);
    CU_ASSERT_EQUAL(log_level_parse("debug"), LOG_LEVEL_DEBUG);
    CU_ASSERT_EQUAL(log_level_parse("Info"), -1);
    CU_ASSERT_EQUAL(log_level_parse(""), -1);
}

void suite_log(void)
{
    CU_pSuite suite = CU_add_suite("log", open_pipe, close_pipe);
    UNIT_TEST(suite, log_writes_a_line_of_fields_in_order);
    UNIT_TEST(suite, log_drops_lines_above_the_level);
    UNIT_TEST(suite, log_names_the_request_until_it_ends);
    UNIT_TEST(suite, log_quotes_and_escapes_values);
    UNIT_TEST(suite, log_cuts_long_values_at_a_character);
    UNIT_TEST(suite, log_keeps_lines_within_4_kib_and_says_what_is_missing);
    UNIT_TEST(suite, log_leaves_errno_alone);
    UNIT_TEST(suite, log_level_parse_knows_four_names);
}
