/* The counters that processes share, and their text. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "db/db.h"
#include "server/metrics.h"
#include "unit.h"

void suite_metrics(void);

static const struct route table[] = {
    {METHOD_GET, "/sessions/{id}", ACCESS_USER, 0, 0, NULL},
    {METHOD_POST, "/sessions", ACCESS_USER, 0, 0, NULL},
    {METHOD_DELETE, "/sessions", ACCESS_USER, 0, 0, NULL},
    {0, NULL, 0, 0, 0, NULL},
};

static struct arena *arena;
static struct metrics *metrics;

static int open_metrics(void)
{
    arena = arena_new(1 << 20);
    metrics = metrics_new(table);
    return arena && metrics ? 0 : -1;
}

static int close_metrics(void)
{
    metrics_free(metrics);
    arena_free(arena);
    return 0;
}

static const char *written(void)
{
    struct buf out;
    arena_reset(arena);
    buf_init(&out, arena);
    metrics_write(metrics, &out);
    const char *text = buf_text(&out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    return text;
}

/* The value on the line of that series; -1 when there is none. */
static double value_of(const char *series)
{
    size_t n = strlen(series);
    for (const char *line = written(); *line; line = strchr(line, '\n') + 1)
        if (!strncmp(line, series, n) && line[n] == ' ')
            return strtod(line + n, NULL);
    return -1;
}

static void work_in_a_child(unsigned slot)
{
    metrics_started(metrics, slot);
    pid_t pid = fork();
    if (pid == 0) {
        struct db_counts counts = {.transactions = 3, .errors = 1, .retries = 2, .connects = 1};
        metrics_enter(metrics, slot);
        metrics_busy(metrics, true);
        metrics_request(metrics, 0, 200, 400);
        metrics_database(metrics, &counts);
        counts.transactions++;
        metrics_database(metrics, &counts);
        _exit(0);
    }
    int status;
    CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void metrics_sum_over_processes_and_outlive_them(void)
{
    work_in_a_child(0);
    work_in_a_child(5);
    CU_ASSERT_EQUAL(value_of("parley_workers"), 2);
    CU_ASSERT_EQUAL(value_of("parley_workers_busy"), 2);
    metrics_ended(metrics, 0, true);
    metrics_ended(metrics, 5, false);
    work_in_a_child(0);
    metrics_ended(metrics, 0, false);
    CU_ASSERT_EQUAL(value_of("parley_requests_total{method=\"GET\",route=\"/sessions/{id}\",status=\"200\"}"), 3);
    CU_ASSERT_EQUAL(value_of("parley_database_transactions_total"), 12);
    CU_ASSERT_EQUAL(value_of("parley_database_errors_total"), 3);
    CU_ASSERT_EQUAL(value_of("parley_database_retries_total"), 6);
    CU_ASSERT_EQUAL(value_of("parley_database_connects_total"), 3);
    CU_ASSERT_EQUAL(value_of("parley_workers_started_total"), 3);
    CU_ASSERT_EQUAL(value_of("parley_workers_died_total"), 1);
    CU_ASSERT_EQUAL(value_of("parley_workers"), 0);
    CU_ASSERT_EQUAL(value_of("parley_workers_busy"), 0);
}

static void metrics_buckets_hold_what_is_within_them(void)
{
    metrics_enter(metrics, 1);
    metrics_request(metrics, 1, 201, 500);
    metrics_request(metrics, 1, 201, 501);
    metrics_request(metrics, 1, 503, 11000000);
#define POST_SESSIONS "method=\"POST\",route=\"/sessions\""
    CU_ASSERT_EQUAL(value_of("parley_request_seconds_bucket{" POST_SESSIONS ",le=\"0.0005\"}"), 1);
    CU_ASSERT_EQUAL(value_of("parley_request_seconds_bucket{" POST_SESSIONS ",le=\"0.001\"}"), 2);
    CU_ASSERT_EQUAL(value_of("parley_request_seconds_bucket{" POST_SESSIONS ",le=\"10\"}"), 2);
    CU_ASSERT_EQUAL(value_of("parley_request_seconds_bucket{" POST_SESSIONS ",le=\"+Inf\"}"), 3);
    CU_ASSERT_EQUAL(value_of("parley_request_seconds_count{" POST_SESSIONS "}"), 3);
    CU_ASSERT_DOUBLE_EQUAL(value_of("parley_request_seconds_sum{" POST_SESSIONS "}"), 11.001001, 0.0000001);
}

static void metrics_leave_out_routes_without_requests(void)
{
    CU_ASSERT_PTR_NULL(strstr(written(), "DELETE"));
}

static void metrics_count_what_no_route_and_no_status_knows(void)
{
    metrics_request(metrics, ROUTES_MAX, 404, 10);
    metrics_request(metrics, ROUTES_MAX, 299, 10);
    CU_ASSERT_EQUAL(value_of("parley_requests_total{method=\"any\",route=\"none\",status=\"404\"}"), 1);
    CU_ASSERT_EQUAL(value_of("parley_requests_total{method=\"any\",route=\"none\",status=\"other\"}"), 1);
}

/* name{label="value",...}: answers where it ends, NULL when it is malformed. */
static const char *skip_series(const char *at)
{
    size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
    at += name;
    if (!name || *at != '{')
        return name ? at : NULL;
    do {
        at++;
        at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        if (at[0] != '=' || at[1] != '"')
            return NULL;
        at += 2;
        at += strcspn(at, "\"\\\n");
        if (*at++ != '"')
            return NULL;
    } while (*at == ',');
    return *at == '}' ? at + 1 : NULL;
}

/* Every line is a comment of a known kind or a sample whose family was declared before it. */
static void metrics_text_follows_its_grammar(void)
{
    char family[64] = "";
    const char *text = written();
    size_t n = strlen(text);
    CU_ASSERT_EQUAL_FATAL(text[n - 1], '\n');
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        if (!strncmp(line, "# HELP ", 7))
            continue;
        if (*line == '#') {
            CU_ASSERT_EQUAL(sscanf(line, "# TYPE %63[a-z_] %*[a-z]", family), 1);
            continue;
        }
        CU_ASSERT_EQUAL(strncmp(line, family, strlen(family)), 0);
        const char *value = skip_series(line);
        CU_ASSERT_PTR_NOT_NULL_FATAL(value);
        char *end;
        CU_ASSERT(*value == ' ' && isdigit((unsigned char)value[1]) && strtod(value, &end) >= 0 && *end == '\n');
    }
}

void suite_metrics(void)
{
    CU_pSuite suite = CU_add_suite("metrics", open_metrics, close_metrics);
    UNIT_TEST(suite, metrics_sum_over_processes_and_outlive_them);
    UNIT_TEST(suite, metrics_buckets_hold_what_is_within_them);
    UNIT_TEST(suite, metrics_leave_out_routes_without_requests);
    UNIT_TEST(suite, metrics_count_what_no_route_and_no_status_knows);
    UNIT_TEST(suite, metrics_text_follows_its_grammar);
}
