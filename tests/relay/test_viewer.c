/* Viewers: what they are told, in what form, and that a slow or dead one harms nobody. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "fakes.h"
#include "relay/loop.h"
#include "relay/state.h"
#include "relay/viewer.h"

void suite_viewer(void);

static struct relay relay;
static struct audience *audience;
static struct peer peer;
static unsigned settled;

static void on_settled(struct audience *which)
{
    (void)which;
    settled++;
}

static void on_other(struct audience *which)
{
    (void)which;
}

static const struct audience_kind kind = {on_settled, on_other, on_other, on_other};

static void add(enum turn_event type, const char *text)
{
    enum status status = type == TURN_TOKEN || type == TURN_REASONING
                             ? turn_log_add_text(&audience->log, type, text, strlen(text))
                             : turn_log_add_event(&audience->log, type, text);
    CU_ASSERT_EQUAL(status, ST_OK);
    audience->visible = audience->log.end;
    audience_touch(audience);
}

/* A turn that runs, and one viewer of it. */
static void begin(enum viewer_form form, long after)
{
    int connection;
    fake_begin();
    relay = (struct relay){
        .settings = &fake_settings, .loop = loop_new(), .scratch = arena_new((size_t)64 << 20), .descriptors = 100};
    struct handover handover = fake_handover(HANDOVER_WATCH, form);
    handover.after = after;
    audience = calloc(1, sizeof(*audience));
    audience_init(audience, &relay, &kind, &handover.user, &handover.session, &handover.turn);
    peer_open(&peer, &connection);
    CU_ASSERT_TRUE(viewer_add(audience, &handover, connection));
    add(TURN_SESSION, "{\"type\":\"session\",\"message_id\":\"m\",\"user_message_id\":\"u\",\"created\":true}");
}

static void finish(void)
{
    audience_fini(audience);
    free(audience);
    CU_ASSERT_EQUAL(relay.viewers, 0);
    CU_ASSERT_EQUAL(relay.audiences.count, 0);
    loop_free(relay.loop);
    arena_free(relay.scratch);
    peer_close(&peer);
}

static void run(void)
{
    fake_run(&relay, &peer);
}

static void viewer_gets_headers_events_and_an_end(void)
{
    begin(VIEWER_EVENTS, 0);
    run();
    CU_ASSERT_TRUE(peer_begins(peer.text,
                               "Status: 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                               "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\nX-Request-Id: r-1\r\n\r\nid: 1\n"));
    size_t before = peer.len;
    add(TURN_TOKEN, "He");
    add(TURN_TOKEN, "llo");
    run();
    CU_ASSERT_STRING_EQUAL(peer.text + before, "id: 6\ndata: {\"type\":\"token\",\"content\":\"Hello\"}\n\n");
    CU_ASSERT_FALSE(peer.ended);
    before = peer.len;
    add(TURN_DONE, "{\"type\":\"done\"}");
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(peer.text + before, "id: 7\ndata: {\"type\":\"done\"}\n\n");
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    CU_ASSERT_EQUAL(relay.viewers, 0);
    finish();
}

static void viewer_of_frames_gets_lines_and_an_end(void)
{
    begin(VIEWER_FRAMES, 0);
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "");
    add(TURN_REASONING, "Let me think.");
    add(TURN_TOKEN, "He");
    add(TURN_TOKEN, "llo");
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "data: {\"type\": \"token\", \"content\": \"Hello\"}\n\n");
    size_t before = peer.len;
    add(TURN_DONE, "{\"type\":\"done\"}");
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(peer.text + before, "data: {\"type\": \"done\", \"thread_id\": \"thread-1\"}\n\n");
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    finish();
}

static void viewer_of_frames_ends_behind_what_is_left_out(void)
{
    static char thoughts[100000];
    memset(thoughts, 't', sizeof(thoughts) - 1);
    begin(VIEWER_FRAMES, 0);
    add(TURN_REASONING, thoughts);
    run();
    CU_ASSERT_FALSE(peer.ended);
    audience_fail(audience, "unavailable", "It went away.");
    run();
    CU_ASSERT_STRING_EQUAL(
        peer_body(&peer), "data: {\"type\": \"error\", \"content\": \"It went away.\", \"code\": \"unavailable\"}\n\n");
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    finish();
}

static void viewer_of_a_reply_gets_text_and_thread(void)
{
    begin(VIEWER_REPLY, 0);
    add(TURN_TOKEN, "Hello");
    run();
    CU_ASSERT_EQUAL(peer.len, 0);
    add(TURN_DONE, "{\"type\":\"done\"}");
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "{\"response\":\"Hello\",\"thread_id\":\"thread-1\"}");
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    finish();
}

static void viewer_goes_on_where_it_was(void)
{
    begin(VIEWER_EVENTS, 3);
    add(TURN_TOKEN, "Hello");
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "id: 6\ndata: {\"type\":\"token\",\"content\":\"llo\"}\n\n");
    finish();
}

static void viewer_that_saw_all_gets_the_end_alone(void)
{
    begin(VIEWER_EVENTS, 2);
    add(TURN_DONE, "{\"type\":\"done\"}");
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "");
    CU_ASSERT_TRUE(peer.ended);
    finish();
}

static void viewer_that_claims_to_have_seen_more_gets_the_last_event(void)
{
    begin(VIEWER_EVENTS, 999);
    add(TURN_DONE, "{\"type\":\"done\"}");
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "");
    audience->over = true;
    audience_touch(audience);
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "id: 2\ndata: {\"type\":\"done\"}\n\n");
    CU_ASSERT_TRUE(peer.ended);
    finish();
}

static void viewer_sees_nothing_that_is_not_visible(void)
{
    begin(VIEWER_EVENTS, 1);
    CU_ASSERT_EQUAL(turn_log_add_event(&audience->log, TURN_DONE, "{\"type\":\"done\"}"), ST_OK);
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "");
    audience_fail(audience, "not_saved", "No.");
    run();
    CU_ASSERT_TRUE(peer_begins(peer_body(&peer), "data: {\"type\":\"error\",\"code\":\"not_saved\","));
    CU_ASSERT_TRUE(peer.ended);
    finish();
}

static void viewer_that_is_slow_gets_everything_joined(void)
{
    begin(VIEWER_EVENTS, 1);
    size_t written = 0;
    for (unsigned i = 0; i < 40000; i++) {
        add(TURN_TOKEN, "0123456789");
        written += 10;
        if (i % 100 == 0) {
            audience_settle_all(&relay.audiences);
            loop_turn(relay.loop, 0, NULL);
        }
    }
    audience->over = true;
    for (unsigned i = 0; i < 100000 && !peer.ended; i++) {
        audience_settle_all(&relay.audiences);
        loop_turn(relay.loop, 0, NULL);
        peer_read(&peer, 5000);
    }
    CU_ASSERT_TRUE(peer.ended);
    size_t heard = 0;
    unsigned events = 0;
    for (const char *at = peer_body(&peer); (at = strstr(at, "\"content\":\"")); events++)
        heard += strspn(at += 11, "0123456789");
    CU_ASSERT_EQUAL(heard, written);
    CU_ASSERT(events < 2000);
    finish();
}

static void viewer_whose_peer_is_gone_is_dropped(void)
{
    for (unsigned halfway = 0; halfway < 2; halfway++) {
        begin(VIEWER_EVENTS, 0);
        run();
        if (halfway)
            shutdown(peer.fd, SHUT_WR);
        else
            close(peer.fd);
        if (!halfway)
            peer.fd = -1;
        settled = 0;
        fake_run(&relay, NULL);
        CU_ASSERT_EQUAL(relay.viewers, 0);
        CU_ASSERT(settled > 0);
        add(TURN_TOKEN, "and on");
        fake_run(&relay, NULL);
        finish();
    }
}

static void viewer_hears_that_it_is_not_forgotten(void)
{
    begin(VIEWER_EVENTS, 1);
    run();
    for (unsigned i = 0; i < 3; i++) {
        fake_advance(15100);
        run();
    }
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), ": keep-alive\n: keep-alive\n: keep-alive\n");
    finish();
}

static void viewer_that_takes_nothing_is_dropped(void)
{
    begin(VIEWER_EVENTS, 1);
    for (unsigned i = 0; i < 100000; i++)
        add(TURN_TOKEN, "0123456789");
    fake_run(&relay, NULL);
    CU_ASSERT_EQUAL(relay.viewers, 1);
    fake_advance(29000);
    fake_run(&relay, NULL);
    CU_ASSERT_EQUAL(relay.viewers, 1);
    fake_advance(20000);
    fake_run(&relay, NULL);
    CU_ASSERT_EQUAL(relay.viewers, 0);
    finish();
}

static void viewer_takes_an_event_longer_than_a_record(void)
{
    begin(VIEWER_EVENTS, 1);
    size_t n = 300000;
    char *json = malloc(n + 1);
    memset(json, 'x', n);
    memcpy(json, "{\"type\":\"tool_call\",\"arguments\":\"", 33);
    memcpy(json + n - 2, "\"}", 3);
    add(TURN_TOOL_CALL, json);
    for (unsigned i = 0; i < 50; i++)
        run();
    const char *body = peer_body(&peer);
    CU_ASSERT_TRUE(peer_begins(body, "id: 2\ndata: "));
    CU_ASSERT_NSTRING_EQUAL(body + 12, json, n);
    CU_ASSERT_STRING_EQUAL(body + 12 + n, "\n\n");
    free(json);
    finish();
}

static const struct json *body_json(void)
{
    struct json_error error;
    const struct json *json = NULL;
    const char *body = peer_body(&peer), *length = strstr(peer.text, "Content-Length: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(length);
    CU_ASSERT_EQUAL(strtoul(length + 16, NULL, 10), strlen(body));
    CU_ASSERT_EQUAL_FATAL(json_parse(fake_arena, body, strlen(body), &json, &error), ST_OK);
    return json;
}

static const char *member(const struct json *json, const char *key)
{
    const struct json *value = json_member(json, key);
    return value && json_type(value) == JSON_STRING ? json_string(value, NULL) : NULL;
}

static void viewer_gets_one_answer_when_the_turn_has_ended(void)
{
    begin(VIEWER_JSON, 0);
    add(TURN_REASONING, "hm");
    add(TURN_TOKEN, "Hel");
    add(TURN_TOOL_CALL, "{\"type\":\"tool_call\",\"index\":0}");
    add(TURN_TOKEN, "lo");
    run();
    CU_ASSERT_EQUAL(peer.len, 0);
    add(TURN_DONE, "{\"type\":\"done\",\"status\":\"complete\",\"finish_reason\":\"stop\",\"title\":\"T\","
                   "\"usage\":{\"total_tokens\":5}}");
    audience->over = true;
    run();
    CU_ASSERT_TRUE(peer_begins(peer.text, "Status: 200 OK\r\nContent-Type: application/json\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(peer.text, "\r\nX-Request-Id: r-1\r\n"));
    const struct json *json = body_json();
    CU_ASSERT_STRING_EQUAL(member(json, "content"), "Hello");
    CU_ASSERT_STRING_EQUAL(member(json, "reasoning"), "hm");
    CU_ASSERT_STRING_EQUAL(member(json, "session_id"), audience->session.text);
    CU_ASSERT_STRING_EQUAL(member(json, "turn_id"), audience->turn.text);
    CU_ASSERT_STRING_EQUAL(member(json, "message_id"), "m");
    CU_ASSERT_STRING_EQUAL(member(json, "title"), "T");
    CU_ASSERT_STRING_EQUAL(member(json, "status"), "complete");
    CU_ASSERT_EQUAL(json_type(json_member(json, "tool_calls")), JSON_NULL);
    CU_ASSERT_EQUAL(json_int(json_member(json_member(json, "usage"), "total_tokens")), 5);
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    finish();
}

static void viewer_gets_a_problem_with_its_own_status(void)
{
    static const struct {
        const char *event, *status, *retry;
    } cases[] = {
        {"{\"type\":\"error\",\"code\":\"model_unreachable\",\"message\":\"M.\"}", "Status: 502 ", NULL},
        {"{\"type\":\"error\",\"code\":\"model_timeout\"}", "Status: 504 ", NULL},
        {"{\"type\":\"error\",\"code\":\"model_rate_limited\",\"retry_after\":17}", "Status: 429 ",
         "Retry-After: 17\r\n"},
        {"{\"type\":\"error\",\"code\":\"overloaded\"}", "Status: 503 ", "Retry-After: 1\r\n"},
        {"{\"type\":\"error\",\"code\":\"interrupted\"}", "Status: 503 ", "Retry-After: 1\r\n"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(VIEWER_JSON, 0);
        add(TURN_ERROR, cases[i].event);
        audience->over = true;
        run();
        CU_ASSERT_TRUE(peer_begins(peer.text, cases[i].status));
        CU_ASSERT_PTR_NOT_NULL(strstr(peer.text, "Content-Type: application/problem+json\r\n"));
        CU_ASSERT_PTR_NOT_NULL(strstr(peer.text, "x-should-retry: false\r\n"));
        CU_ASSERT_EQUAL(cases[i].retry == NULL, strstr(peer.text, "Retry-After") == NULL);
        if (cases[i].retry)
            CU_ASSERT_PTR_NOT_NULL(strstr(peer.text, cases[i].retry));
        const struct json *json = body_json();
        CU_ASSERT_PTR_NOT_NULL(strstr(cases[i].event, member(json, "code")));
        CU_ASSERT_STRING_EQUAL(member(json, "request_id"), "r-1");
        CU_ASSERT_STRING_EQUAL(member(json, "message_id"), "m");
        finish();
    }
}

static void viewer_of_a_turn_that_goes_on_elsewhere_is_told_to_come_back(void)
{
    begin(VIEWER_JSON, 0);
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(member(body_json(), "code"), "unavailable");
    finish();
    begin(VIEWER_EVENTS, 1);
    audience->over = true;
    run();
    CU_ASSERT_STRING_EQUAL(peer_body(&peer), "");
    CU_ASSERT_TRUE(peer.ended);
    finish();
}

static void viewer_that_cannot_be_served_is_told_so(void)
{
    int connection;
    struct peer other;
    begin(VIEWER_EVENTS, 0);
    struct handover handover = fake_handover(HANDOVER_WATCH, VIEWER_EVENTS);
    peer_open(&other, &connection);
    viewer_refuse(&relay, &handover, connection, "overloaded", "No room.");
    peer_read(&other, 100000);
    CU_ASSERT_TRUE(peer_begins(other.text, "Status: 503 "));
    CU_ASSERT_TRUE(other.ended && other.closed);
    peer_close(&other);
    finish();
}

void suite_viewer(void)
{
    CU_pSuite suite = CU_add_suite("viewer", NULL, NULL);
    RELAY_TEST(suite, viewer_gets_headers_events_and_an_end);
    RELAY_TEST(suite, viewer_of_frames_gets_lines_and_an_end);
    RELAY_TEST(suite, viewer_of_frames_ends_behind_what_is_left_out);
    RELAY_TEST(suite, viewer_of_a_reply_gets_text_and_thread);
    RELAY_TEST(suite, viewer_goes_on_where_it_was);
    RELAY_TEST(suite, viewer_that_saw_all_gets_the_end_alone);
    RELAY_TEST(suite, viewer_that_claims_to_have_seen_more_gets_the_last_event);
    RELAY_TEST(suite, viewer_sees_nothing_that_is_not_visible);
    RELAY_TEST(suite, viewer_that_is_slow_gets_everything_joined);
    RELAY_TEST(suite, viewer_whose_peer_is_gone_is_dropped);
    RELAY_TEST(suite, viewer_hears_that_it_is_not_forgotten);
    RELAY_TEST(suite, viewer_that_takes_nothing_is_dropped);
    RELAY_TEST(suite, viewer_takes_an_event_longer_than_a_record);
    RELAY_TEST(suite, viewer_gets_one_answer_when_the_turn_has_ended);
    RELAY_TEST(suite, viewer_gets_a_problem_with_its_own_status);
    RELAY_TEST(suite, viewer_of_a_turn_that_goes_on_elsewhere_is_told_to_come_back);
    RELAY_TEST(suite, viewer_that_cannot_be_served_is_told_so);
}
