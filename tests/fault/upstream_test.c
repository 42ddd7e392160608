/* Asking a model server that does what it is told (tests/lib/model.py, its address in MODEL_URL). */
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <dirent.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/utf8.h"
#include "relay/loop.h"
#include "relay/upstream.h"

#define TEXT          "The quick brown fox jumps over the lazy dog."
#define KEY           "sk-test-0123456789"
#define WAIT          120000
#define MARK          "\xEF\xBF\xBD"
#define HEARD         4096
#define MB            (1024L * 1024)
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* What came of a call. */
struct outcome {
    struct upstream_call *call;
    char content[HEARD], reasoning[HEARD], tools[HEARD]; /* their beginning */
    size_t content_len, reasoning_len, tools_len;
    size_t bytes; /* of content in all */
    unsigned tokens, ends;
    int64_t begun, first_at, end_at; /* ms */
    bool complete;
    char error[64], message[256], finish[64], model[64], calls[HEARD];
    unsigned retry_after;
    bool has_usage;
    int64_t prompt, completion;
    unsigned cancel_after;  /* tokens; 0: never */
    struct outcome *victim; /* cancelled with it */
    const char *next;       /* asked when this ends */
    struct outcome *next_outcome;
};

static struct loop *loop;
static struct upstream *upstream;
static struct settings settings;
static char key_file[] = "/tmp/parley-key-XXXXXX";
static unsigned serial;

static void note(char *text, size_t *len, const char *more, size_t n)
{
    if (n > HEARD - 1 - *len)
        n = HEARD - 1 - *len;
    memcpy(text + *len, more, n);
    *len += n;
    text[*len] = '\0';
}

static void cancel(struct outcome *outcome)
{
    const char *tools = outcome->call ? upstream_cancel(outcome->call) : NULL;
    outcome->call = NULL;
    snprintf(outcome->calls, sizeof(outcome->calls), "%s", tools ? tools : "");
}

static void on_token(void *owner, const char *text, size_t n)
{
    struct outcome *outcome = owner;
    CU_ASSERT(n > 0 && utf8_valid(text, n) && !outcome->ends && outcome->call);
    if (!outcome->tokens++)
        outcome->first_at = clock_monotonic_ms() - outcome->begun;
    outcome->bytes += n;
    note(outcome->content, &outcome->content_len, text, n);
    if (outcome->cancel_after && outcome->tokens == outcome->cancel_after) {
        if (outcome->victim)
            cancel(outcome->victim);
        cancel(outcome);
    }
}

static void on_reasoning(void *owner, const char *text, size_t n)
{
    struct outcome *outcome = owner;
    note(outcome->reasoning, &outcome->reasoning_len, text, n);
}

static void on_tool_call(void *owner, const char *json)
{
    struct outcome *outcome = owner;
    note(outcome->tools, &outcome->tools_len, json, strlen(json));
    if (outcome->cancel_after && !--outcome->cancel_after)
        cancel(outcome);
}

static void start(struct outcome *outcome, const char *model, const char *text);

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static void on_end(void *owner, const struct upstream_end *end)
{
    struct outcome *outcome = owner;
    outcome->ends++;
    outcome->call = NULL;
    outcome->end_at = clock_monotonic_ms() - outcome->begun;
    if (outcome->next)
        start(outcome->next_outcome, NULL, outcome->next);
    CU_ASSERT_EQUAL(end->complete, end->error_code == NULL);
    CU_ASSERT(!end->error_code == !end->error_message);
    outcome->complete = end->complete;
    outcome->retry_after = end->retry_after;
    outcome->has_usage = end->has_usage;
    outcome->prompt = end->prompt_tokens;
    outcome->completion = end->completion_tokens;
    copy(outcome->error, sizeof(outcome->error), end->error_code);
    copy(outcome->message, sizeof(outcome->message), end->error_message);
    copy(outcome->finish, sizeof(outcome->finish), end->finish_reason);
    copy(outcome->model, sizeof(outcome->model), end->model);
    copy(outcome->calls, sizeof(outcome->calls), end->tool_calls);
    CU_ASSERT_PTR_NULL(strstr(outcome->message, "secret"));
}

static const struct upstream_events events = {on_token, on_reasoning, on_tool_call, on_end};

/* Asks with text as the user's last message. */
static void start(struct outcome *outcome, const char *model, const char *text)
{
    char messages[8192];
    snprintf(messages, sizeof(messages),
             "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"%s\"}]", text);
    outcome->begun = clock_monotonic_ms();
    outcome->call = upstream_start(upstream, model, messages, &events, outcome);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome->call);
    CU_ASSERT_EQUAL(outcome->ends, 0);
}

static void wait_for(const struct outcome *outcome)
{
    int64_t give_up = clock_monotonic_ms() + WAIT;
    while (outcome->call && clock_monotonic_ms() < give_up)
        loop_turn(loop, 50, NULL);
    CU_ASSERT_PTR_NULL_FATAL(outcome->call);
}

static void turn_for(int64_t ms)
{
    for (int64_t until = clock_monotonic_ms() + ms; clock_monotonic_ms() < until;)
        loop_turn(loop, 10, NULL);
}

static void set_usual(void)
{
    settings = (struct settings){
        .model_url = getenv("MODEL_URL"),
        .model_key_file = key_file,
        .model_name = "",
        .model_connect_ms = 2000,
        .model_first_byte_ms = 5000,
        .model_idle_ms = 5000,
        .model_total_ms = 15000,
        .max_answer_bytes = 10 << 20,
    };
}

static void reopen(void)
{
    upstream_free(upstream);
    upstream = upstream_new(loop, &settings);
    CU_ASSERT_PTR_NOT_NULL_FATAL(upstream);
}

static const struct outcome *ask(const char *text)
{
    static struct outcome outcome;
    outcome = (struct outcome){0};
    start(&outcome, NULL, text);
    wait_for(&outcome);
    CU_ASSERT_EQUAL(outcome.ends, 1);
    return &outcome;
}

/* A key for a script that counts its attempts. */
static const char *a_key(const char *script)
{
    static char text[128];
    snprintf(text, sizeof(text), "script:%s:k%d-%u", script, (int)getpid(), ++serial);
    return text;
}

/* How often the script with the last key was asked for. */
static int attempts(void)
{
    char text[128];
    snprintf(text, sizeof(text), "script:attempts:k%d-%u", (int)getpid(), serial);
    return atoi(ask(text)->content);
}

static int count_open(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

struct expected {
    const char *text;
    const char *content, *reasoning, *finish, *error;
};

static void check(const char *what, const char *got, const char *expected)
{
    char message[1024];
    if (!strcmp(got, expected ? expected : ""))
        return;
    snprintf(message, sizeof(message), "%s: \"%.400s\", not \"%.400s\"", what, got, expected ? expected : "");
    CU_assertImplementation(CU_FALSE, __LINE__, message, __FILE__, "", CU_FALSE);
}

static void check_all(const struct expected *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct outcome *outcome = ask(table[i].text);
        check(table[i].text, outcome->content, table[i].content);
        check(table[i].text, outcome->reasoning, table[i].reasoning);
        check(table[i].text, outcome->complete ? outcome->finish : "", table[i].finish);
        check(table[i].text, outcome->error, table[i].error);
    }
}

static void upstream_reads_every_kind_of_answer(void)
{
    static const struct expected table[] = {
        {"Hello there, world", "Hello there, world", NULL, "stop", NULL},
        {"script:slow:5:1", "w0 w1 w2 w3 w4 ", NULL, "stop", NULL},
        {"script:reasoning", TEXT, "Let me think.", "stop", NULL},
        {"script:reasoning:reasoning", TEXT, "Let me think.", "stop", NULL},
        {"script:comments", TEXT, NULL, "stop", NULL},
        {"script:crlf", TEXT, NULL, "stop", NULL},
        {"script:json", TEXT, NULL, "stop", NULL},
        {"script:no-usage", TEXT, NULL, "stop", NULL},
        {"script:no-done", TEXT, NULL, "stop", NULL},
        {"script:done-only", TEXT, NULL, "stop", NULL},
        {"script:badutf8",
         "a" MARK "b" MARK "c" MARK "\xF0\x9F\x98\x80"
         "d" MARK "\xC3\xA4\xE2\x82\xAC",
         NULL, "stop", NULL},
        {"script:split:1:badutf8",
         "a" MARK "b" MARK "c" MARK "\xF0\x9F\x98\x80"
         "d" MARK "\xC3\xA4\xE2\x82\xAC",
         NULL, "stop", NULL},
        {"script:split:3:crlf", TEXT, NULL, "stop", NULL},
        {"script:split:7:json", TEXT, NULL, "stop", NULL},
    };
    check_all(table, LENGTH(table));
}

static void upstream_tells_faults_apart(void)
{
    static const struct expected table[] = {
        {"script:cut", "The quick brown", NULL, NULL, "model_cut"},
        {"script:cut-event", "The quick brown", NULL, NULL, "model_cut"},
        {"script:cut-chunked", "The quick brown", NULL, NULL, "model_cut"},
        {"script:cut-chunk", "The quick brown", NULL, NULL, "model_cut"},
        {"script:reset-mid", "The quick brown", NULL, NULL, "model_cut"},
        {"script:garbage", "The quick brown", NULL, NULL, "model_garbled"},
        {"script:not-http", NULL, NULL, NULL, "model_garbled"},
        {"script:html", NULL, NULL, NULL, "model_garbled"},
        {"script:long-line", NULL, NULL, NULL, "model_garbled"},
        {"script:flood-headers", NULL, NULL, NULL, "model_garbled"},
        {"script:error-inband", "The quick brown", NULL, NULL, "model_error"},
        {"script:error-inband:429", "The quick brown", NULL, NULL, "model_rate_limited"},
        {"script:error-event", "The quick brown", NULL, NULL, "model_error"},
        {"script:400", NULL, NULL, NULL, "model_refused"},
        {"script:401", NULL, NULL, NULL, "model_refused"},
        {"script:302", NULL, NULL, NULL, "model_refused"},
        {"script:404", NULL, NULL, NULL, "model_refused"},
        {"script:429", NULL, NULL, NULL, "model_rate_limited"},
        {"script:500", NULL, NULL, NULL, "model_error"},
        {"script:503", NULL, NULL, NULL, "model_error"},
        {"script:504", NULL, NULL, NULL, "model_error"},
        {"script:long-error", NULL, NULL, NULL, "model_refused"},
        {"script:overfed", NULL, NULL, NULL, "model_refused"},
    };
    check_all(table, LENGTH(table));
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("script:401")->message, "model_key_file"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("script:403")->message, "model_key_file"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("script:overfed")->message, "history_tokens"));
}

static void upstream_sends_what_was_asked(void)
{
    struct outcome named = {0};
    const struct outcome *outcome = ask("script:request");
    check("without a model", outcome->content,
          "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": \"user\", \"content\": "
          "\"script:request\"}], \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
    start(&named, "a \"model\"", "script:request");
    wait_for(&named);
    CU_ASSERT_PTR_NOT_NULL(strstr(named.content, "{\"model\": \"a \\\"model\\\"\", \"messages\""));
    settings.model_name = "usual";
    CU_ASSERT_PTR_NOT_NULL(strstr(ask("script:request")->content, "{\"model\": \"usual\""));
    outcome = ask("script:headers");
    CU_ASSERT_PTR_NOT_NULL(strstr(outcome->content, "\"authorization\": \"Bearer " KEY "\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(outcome->content, "\"content-type\": \"application/json\""));
    CU_ASSERT_PTR_NULL(strstr(outcome->content, "\"expect\""));
}

static void upstream_sends_no_key_that_it_should_not(void)
{
    CU_ASSERT_EQUAL(chmod(key_file, 0644), 0);
    reopen();
    CU_ASSERT_PTR_NULL(strstr(ask("script:headers")->content, "authorization"));
    CU_ASSERT_EQUAL(chmod(key_file, 0600), 0);
    settings.model_key_file = "/nonexistent";
    reopen();
    CU_ASSERT_PTR_NULL(strstr(ask("script:headers")->content, "authorization"));
}

static void upstream_counts_usage(void)
{
    const struct outcome *outcome = ask("hello");
    CU_ASSERT(outcome->has_usage && outcome->prompt == 7 && outcome->completion == 11);
    check("model", outcome->model, "scripted-1");
    outcome = ask("script:json");
    CU_ASSERT(outcome->has_usage && outcome->prompt == 3 && outcome->completion == 5);
    CU_ASSERT_FALSE(ask("script:no-usage")->has_usage);
}

static void upstream_asks_without_usage_where_that_is_refused(void)
{
    const char *text = a_key("usage-refused");
    check(text, ask(text)->content, TEXT);
    CU_ASSERT_EQUAL(attempts(), 2);
    /* And remembers. */
    check(text, ask(text)->content, TEXT);
    CU_ASSERT_EQUAL(attempts(), 3);
}

static bool counts_usage_as(const char *model)
{
    struct outcome outcome = {0};
    start(&outcome, model, "hello");
    wait_for(&outcome);
    return outcome.has_usage;
}

static void upstream_remembers_a_refusal_of_usage_for_that_model(void)
{
    struct outcome outcome = {0};
    char model[16];
    start(&outcome, "old", a_key("usage-refused"));
    wait_for(&outcome);
    check("old", outcome.content, TEXT);
    CU_ASSERT_FALSE(counts_usage_as("old"));
    CU_ASSERT(counts_usage_as("new"));
    CU_ASSERT(counts_usage_as(NULL));
    for (unsigned i = 0; i < 20; i++) {
        snprintf(model, sizeof(model), "m%u", i);
        outcome = (struct outcome){0};
        start(&outcome, model, a_key("usage-refused"));
        wait_for(&outcome);
        CU_ASSERT_FALSE(counts_usage_as(model));
    }
    CU_ASSERT(counts_usage_as("old"));
}

static void upstream_puts_tool_calls_together(void)
{
    static const char calls[] =
        "[{\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"look_up\",\"arguments\":\"{\\\"word\\\": "
        "\\\"fox\\\"}\"}},"
        "{\"id\":\"call_b\",\"type\":\"function\",\"function\":{\"name\":\"count\",\"arguments\":\"{}\"}}]";
    const struct outcome *outcome = ask("script:tools");
    check("calls", outcome->calls, calls);
    check("finish", outcome->finish, "tool_calls");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(outcome->tools, "{\"index\":1,\"call_id\":\"call_b\",\"name\":\"count\",\"arguments\":\"{}\"}"));
    check("too many", ask("script:big-tools")->error, "answer_too_long");
}

static void upstream_retries_once_before_the_first_delta(void)
{
    static const char *const once[] = {"500-once", "503-then-ok", "status-once:502", "reset-once"};
    for (unsigned i = 0; i < LENGTH(once); i++) {
        const char *text = a_key(once[i]);
        check(text, ask(text)->content, "attempt 2");
    }
    check("500 for ever", ask(a_key("status:500:"))->error, "model_error");
    CU_ASSERT_EQUAL(attempts(), 2);
    check("reset for ever", ask(a_key("reset-first"))->error, "model_unreachable");
    CU_ASSERT_EQUAL(attempts(), 2);
    check("no body for ever", ask(a_key("empty"))->error, "model_cut");
    CU_ASSERT_EQUAL(attempts(), 2);
}

static void upstream_does_not_retry_what_it_must_not(void)
{
    static const char *const never[] = {
        "status:400:", "status:401:", "status:429:", "status:501:", "status:504:", "reset-mid:3"};
    for (unsigned i = 0; i < LENGTH(never); i++) {
        (void)ask(a_key(never[i]));
        CU_ASSERT_EQUAL(attempts(), 1);
    }
}

static void upstream_passes_retry_after_on(void)
{
    CU_ASSERT_EQUAL(ask("script:429")->retry_after, 0);
    CU_ASSERT_EQUAL(ask("script:429:21")->retry_after, 21);
    unsigned seconds = ask("script:429:date")->retry_after;
    CU_ASSERT(seconds >= 4 && seconds <= 8);
    CU_ASSERT_EQUAL(ask("script:429:-5")->retry_after, 0);
    CU_ASSERT_EQUAL(ask("script:429:99999999")->retry_after, 86400);
    CU_ASSERT_EQUAL(ask("script:429:nonsense")->retry_after, 0);
    CU_ASSERT_EQUAL(ask("script:400:21")->retry_after, 0);
}

/* Between so many and that many milliseconds. */
static void check_time(const char *what, int64_t ms, int64_t from, int64_t to)
{
    char message[128];
    if (ms >= from && ms <= to)
        return;
    snprintf(message, sizeof(message), "%s: %ld ms, not %ld to %ld", what, (long)ms, (long)from, (long)to);
    CU_assertImplementation(CU_FALSE, __LINE__, message, __FILE__, "", CU_FALSE);
}

static void upstream_has_a_deadline_for_every_wait(void)
{
    static const struct {
        const char *text, *content;
        int64_t ms;
    } table[] = {
        {"script:stall-headers", "", 400},
        {"script:stall-first", "", 400},
        {"script:stall-mid", "The quick brown", 200},
        {"script:slow:1000:50", NULL, 2000},
        {"script:comments:1000:50", "", 2000},
    };
    settings.model_first_byte_ms = 400;
    settings.model_idle_ms = 200;
    settings.model_total_ms = 2000;
    for (unsigned i = 0; i < LENGTH(table); i++) {
        const struct outcome *outcome = ask(table[i].text);
        check(table[i].text, outcome->error, "model_timeout");
        if (table[i].content)
            check(table[i].text, outcome->content, table[i].content);
        check_time(table[i].text, outcome->end_at, table[i].ms, table[i].ms + 1500);
    }
}

/* A listener whose queue is full answers no further SYN. */
static void upstream_gives_up_on_a_connection_that_does_not_come(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char url[64];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[8];
    CU_ASSERT_FATAL(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 0) == 0 &&
                    getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    for (unsigned i = 0; i < LENGTH(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&address, size);
    }
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1", ntohs(address.sin_port));
    settings.model_url = url;
    settings.model_connect_ms = 300;
    reopen();
    const struct outcome *outcome = ask("hello");
    check("full queue", outcome->error, "model_unreachable");
    /* 300 ms each for two attempts, and the pause between them. */
    check_time("full queue", outcome->end_at, 850, 2400);
    for (unsigned i = 0; i < LENGTH(fill); i++)
        close(fill[i]);
    close(listener);
    check("nobody listens", ask("hello")->error, "model_unreachable");
}

static void upstream_does_not_wait_for_a_name(void)
{
    settings.model_url = "http://no-such-host.invalid:1/v1/";
    settings.model_connect_ms = 500;
    reopen();
    struct outcome outcome = {0};
    start(&outcome, NULL, "hello");
    turn_for(20);
    int64_t before = clock_monotonic_ms();
    cancel(&outcome);
    check_time("cancelled while a name is looked up", clock_monotonic_ms() - before, 0, 200);
    check("unknown name", ask("hello")->error, "model_unreachable");
}

static void upstream_follows_neither_redirects_nor_other_protocols(void)
{
    settings.model_url = "file:///etc/passwd?";
    reopen();
    const struct outcome *outcome = ask("hello");
    CU_ASSERT(!outcome->complete && !outcome->content_len);
}

static void upstream_ends_soon_when_the_answer_is_there(void)
{
    check_time("[DONE]", ask("script:done-hang")->end_at, 0, 1800);
    const struct outcome *outcome = ask("script:finish-hang");
    CU_ASSERT(outcome->complete && !strcmp(outcome->content, TEXT));
    check_time("finish_reason", outcome->end_at, 4500, 7500);
    outcome = ask("script:late-usage:3000");
    CU_ASSERT(outcome->complete && outcome->has_usage && outcome->completion == 11);
}

static void upstream_bounds_the_answer(void)
{
    const struct outcome *outcome = ask("script:big:10485760");
    CU_ASSERT(outcome->complete && outcome->bytes == 10485760);
    outcome = ask("script:big:10485761");
    check("one byte more", outcome->error, "answer_too_long");
    CU_ASSERT(outcome->bytes <= 10485760);
}

static void upstream_does_not_grow_with_empty_deltas(void)
{
    settings.model_total_ms = WAIT;
    (void)ask("script:empty-deltas:10000");
    size_t before = mallinfo2().uordblks;
    const struct outcome *outcome = ask("script:empty-deltas:1000000");
    check("error", outcome->message, "");
    check("content", outcome->content, TEXT);
    long grown = (long)(mallinfo2().uordblks - before);
    CU_ASSERT(grown < 64 * 1024);
}

static void upstream_can_be_cancelled_at_any_time(void)
{
    static const char *const texts[] = {"script:stall-headers", "script:stall-first", "script:stall-mid",
                                        "script:slow:1000:1", "script:500"};
    for (unsigned i = 0; i < LENGTH(texts); i++)
        for (int ms = 0; ms < 40; ms += 3) {
            struct outcome outcome = {0};
            start(&outcome, NULL, texts[i]);
            turn_for(ms);
            if (outcome.call)
                cancel(&outcome);
            turn_for(2);
            CU_ASSERT_EQUAL(outcome.ends, 0);
        }
}

static void upstream_can_be_cancelled_inside_its_events(void)
{
    struct outcome one = {.cancel_after = 2}, two = {0}, tools = {.cancel_after = 3}, json = {.cancel_after = 1};
    one.victim = &two;
    start(&two, NULL, "script:slow:1000:20");
    start(&one, NULL, "script:slow:1000:20");
    start(&tools, NULL, "script:tools");
    start(&json, NULL, "script:json");
    turn_for(300);
    CU_ASSERT(!one.call && !two.call && !tools.call && !json.call);
    CU_ASSERT(!one.ends && !two.ends && !tools.ends && !json.ends);
    CU_ASSERT(one.tokens == 2 && two.tokens <= 2 && json.tokens == 1);
    check("calls so far", tools.calls,
          "[{\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"look_up\",\"arguments\":\"{\\\"word\\\": "
          "\\\"f\"}}]");
}

static void upstream_can_be_asked_in_the_end(void)
{
    struct outcome second = {0}, first = {.next = "again", .next_outcome = &second};
    start(&first, NULL, "script:tools");
    wait_for(&first);
    wait_for(&second);
    check("second", second.content, "again");
    CU_ASSERT_PTR_NOT_NULL(strstr(first.calls, "call_b"));
}

static void upstream_uses_connections_again(void)
{
    int before = atoi(ask("script:connections")->content);
    for (unsigned i = 0; i < 20; i++)
        (void)ask("hello");
    CU_ASSERT(atoi(ask("script:connections")->content) - before <= 1);
}

static void upstream_asks_many_at_once_and_leaves_nothing_open(void)
{
    static struct outcome outcomes[200];
    (void)ask("hello");
    reopen();
    int before = count_open();
    memset(outcomes, 0, sizeof(outcomes));
    for (unsigned i = 0; i < LENGTH(outcomes); i++)
        start(&outcomes[i], NULL, i % 10 ? "script:slow:20:10" : "script:reset-mid");
    for (unsigned i = 0; i < LENGTH(outcomes); i++) {
        wait_for(&outcomes[i]);
        CU_ASSERT_EQUAL(outcomes[i].complete, i % 10 != 0);
        CU_ASSERT_EQUAL(outcomes[i].tokens, i % 10 ? 20 : 3);
    }
    CU_ASSERT(count_open() <= before + 65);
    reopen();
    CU_ASSERT_EQUAL(count_open(), before);
}

static void upstream_sends_long_histories(void)
{
    size_t n = 4 << 20;
    char *messages = malloc(n);
    struct outcome outcome = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(messages);
    memset(messages, 'x', n);
    memcpy(messages, "[{\"role\":\"assistant\",\"content\":\"", 32);
    snprintf(messages + n - 64, 64, "\"},{\"role\":\"user\",\"content\":\"hello\"}]");
    outcome.call = upstream_start(upstream, NULL, messages, &events, &outcome);
    memset(messages, ' ', n); /* it was copied */
    free(messages);
    wait_for(&outcome);
    check("answer", outcome.content, "hello");
}

static void upstream_echoes_without_a_server(void)
{
    settings.model_url = "";
    reopen();
    const struct outcome *outcome = ask("Hello  there,\\nw\\u00f6rld! ");
    check("echo", outcome->content, "Hello  there,\nw\xC3\xB6rld! ");
    CU_ASSERT(outcome->complete && outcome->tokens == 3 && !outcome->has_usage);
    check("model", outcome->model, "echo");
    check("finish", outcome->finish, "stop");
    CU_ASSERT(outcome->end_at >= 60);
    outcome = ask("");
    CU_ASSERT(outcome->complete && outcome->tokens == 0);
    struct outcome cancelled = {.cancel_after = 2};
    start(&cancelled, NULL, "one two three");
    turn_for(150);
    CU_ASSERT(cancelled.tokens == 2 && !cancelled.ends);
    start(&cancelled, NULL, "left to be freed");
    reopen();
}

static void upstream_frees_what_still_runs(void)
{
    struct outcome outcome = {0};
    start(&outcome, NULL, "script:stall-mid");
    turn_for(100);
    CU_ASSERT_EQUAL(outcome.tokens, 3);
    reopen();
    turn_for(10);
    CU_ASSERT_EQUAL(outcome.ends, 0);
}

static int begin(void)
{
    int fd = mkstemp(key_file);
    if (fd < 0 || write(fd, KEY "\n", strlen(KEY) + 1) < 0)
        return -1;
    close(fd);
    loop = loop_new();
    return loop ? 0 : -1;
}

static int finish(void)
{
    unlink(key_file);
    loop_free(loop);
    return 0;
}

static void set_up(void)
{
    set_usual();
    upstream = upstream_new(loop, &settings);
    CU_ASSERT_PTR_NOT_NULL_FATAL(upstream);
}

static void tear_down(void)
{
    upstream_free(upstream);
    upstream = NULL;
}

#define TEST(name) CU_add_test(suite, #name, (name))

int main(void)
{
    if (!getenv("MODEL_URL") || CU_initialize_registry() != CUE_SUCCESS)
        return 77;
    log_open(2, LOG_LEVEL_ERROR);
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown("upstream", begin, finish, set_up, tear_down);
    TEST(upstream_reads_every_kind_of_answer);
    TEST(upstream_tells_faults_apart);
    TEST(upstream_sends_what_was_asked);
    TEST(upstream_sends_no_key_that_it_should_not);
    TEST(upstream_counts_usage);
    TEST(upstream_asks_without_usage_where_that_is_refused);
    TEST(upstream_remembers_a_refusal_of_usage_for_that_model);
    TEST(upstream_puts_tool_calls_together);
    TEST(upstream_retries_once_before_the_first_delta);
    TEST(upstream_does_not_retry_what_it_must_not);
    TEST(upstream_passes_retry_after_on);
    TEST(upstream_has_a_deadline_for_every_wait);
    TEST(upstream_gives_up_on_a_connection_that_does_not_come);
    TEST(upstream_does_not_wait_for_a_name);
    TEST(upstream_follows_neither_redirects_nor_other_protocols);
    TEST(upstream_ends_soon_when_the_answer_is_there);
    TEST(upstream_bounds_the_answer);
    TEST(upstream_does_not_grow_with_empty_deltas);
    TEST(upstream_can_be_cancelled_at_any_time);
    TEST(upstream_can_be_cancelled_inside_its_events);
    TEST(upstream_can_be_asked_in_the_end);
    TEST(upstream_uses_connections_again);
    TEST(upstream_asks_many_at_once_and_leaves_nothing_open);
    TEST(upstream_sends_long_histories);
    TEST(upstream_echoes_without_a_server);
    TEST(upstream_frees_what_still_runs);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
