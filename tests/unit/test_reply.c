/* Answers: headers that cannot be forged, problems word by word, and the records they leave in. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "http/record.h"
#include "http/reply.h"
#include "http/request.h"
#include "unit.h"

void suite_reply(void);

static struct arena *arena;
static struct reply reply;
static const struct request request = {.id = "request-1"};

static int open_arena(void)
{
    log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
    arena = arena_new(8 << 20);
    return arena ? 0 : -1;
}

static int close_arena(void)
{
    arena_free(arena);
    log_open(2, LOG_LEVEL_INFO);
    return 0;
}

static void begin(void)
{
    arena_reset(arena);
    reply_init(&reply, arena);
}

static void reply_writes_json_with_its_type(void)
{
    begin();
    struct json_writer *json = reply_json(&reply, 201);
    json_begin_object(json);
    json_put_text(json, "a", "b");
    json_end_object(json);
    CU_ASSERT_EQUAL(reply.status, 201);
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.headers), "Content-Type: application/json\r\n");
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.body), "{\"a\":\"b\"}");
    CU_ASSERT_TRUE(reply_ok(&reply));
}

static void reply_drops_a_header_that_would_forge_another(void)
{
    static const char *const forged[] = {"x\r\nSet-Cookie: a=b", "x\n", "x\ry", "x\ty", "\x7f", NULL};
    begin();
    for (unsigned i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
        reply_header(&reply, "Location", forged[i]);
    CU_ASSERT_EQUAL(reply.headers.len, 0);
    reply_header(&reply, "Location", "/caf\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.headers), "Location: /caf\xc3\xa9\r\n");
}

static void reply_empty_is_204(void)
{
    begin();
    json_write_text(reply_json(&reply, 200), "half");
    reply_empty(&reply);
    CU_ASSERT_EQUAL(reply.status, 204);
    CU_ASSERT_TRUE(reply.no_body);
    CU_ASSERT_EQUAL(reply.body.len, 0);
}

static void reply_tells_when_memory_was_out(void)
{
    struct arena *small = arena_new(4096);
    CU_ASSERT_PTR_NOT_NULL_FATAL(small);
    struct reply tight;
    reply_init(&tight, small);
    struct json_writer *json = reply_json(&tight, 200);
    for (unsigned i = 0; i < 1000; i++)
        json_write_text(json, "more and more");
    CU_ASSERT_FALSE(reply_ok(&tight));
    arena_free(small);
}

static void problem_is_written_word_by_word(void)
{
    struct fault fault = {0};
    begin();
    json_write_text(reply_json(&reply, 200), "half an answer");
    reply_header(&reply, "Location", "/x");
    CU_ASSERT_EQUAL(fault_field(&fault, "limit", "is not a number"), ST_INVALID);
    CU_ASSERT_EQUAL(fault_field(&fault, "a\"b", "is unknown"), ST_INVALID);
    CU_ASSERT_EQUAL(fault_set(&fault, ST_INVALID, NULL, "Two fields are wrong."), ST_INVALID);
    problem_reply(&reply, &request, ST_INVALID, &fault);
    CU_ASSERT_EQUAL(reply.status, 400);
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.headers), "Content-Type: application/problem+json\r\n"
                                                     "Cache-Control: no-store\r\n");
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.body),
                           "{\"type\":\"urn:parley:problem:invalid_request\",\"title\":\"Bad Request\",\"status\":400,"
                           "\"detail\":\"Two fields are wrong.\",\"code\":\"invalid_request\",\"errors\":["
                           "{\"field\":\"limit\",\"message\":\"is not a number\"},"
                           "{\"field\":\"a\\\"b\",\"message\":\"is unknown\"}],\"request_id\":\"request-1\"}");
}

static void problem_has_the_headers_of_its_status(void)
{
    begin();
    problem_reply(&reply, &request, ST_UNAUTHENTICATED, NULL);
    CU_ASSERT_EQUAL(reply.status, 401);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&reply.headers), "\r\nWWW-Authenticate: Bearer\r\n"));
    CU_ASSERT_STRING_EQUAL(buf_text(&reply.body),
                           "{\"type\":\"urn:parley:problem:unauthenticated\",\"title\":\"Unauthorized\",\"status\":401,"
                           "\"code\":\"unauthenticated\",\"request_id\":\"request-1\"}");

    const struct fault spent = {.code = "quota_turns", .retry_after = 30};
    problem_reply(&reply, &request, ST_TOO_MANY, &spent);
    CU_ASSERT_EQUAL(reply.status, 429);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&reply.headers), "\r\nRetry-After: 30\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&reply.body), "\"code\":\"quota_turns\""));

    problem_reply(&reply, &request, ST_UNAVAILABLE, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_text(&reply.headers), "\r\nRetry-After: 1\r\n"));
    problem_reply(&reply, &request, ST_CONFLICT, NULL);
    CU_ASSERT_PTR_NULL(strstr(buf_text(&reply.headers), "Retry-After"));
}

static void problem_has_a_title_for_every_status(void)
{
    for (enum status status = ST_INVALID; status <= ST_INTERNAL; status++)
        CU_ASSERT_STRING_NOT_EQUAL(reply_reason(status_http(status)), "Unknown");
}

/* What came out of record_send: the stream without its framing. The answer must fit into the socket's buffer. */
static char stream[200000];

static size_t send_and_unframe(void)
{
    static unsigned char raw[200000];
    int pair[2];
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CU_ASSERT_TRUE(record_send(pair[0], 0x102, &reply));
    close(pair[0]);
    size_t n = 0;
    ssize_t got;
    while ((got = read(pair[1], raw + n, sizeof(raw) - n)) > 0)
        n += (size_t)got;
    close(pair[1]);

    size_t len = 0;
    bool stream_ended = false;
    bool ended = false;
    for (size_t at = 0; at + 8 <= n && !ended;) {
        size_t content = (size_t)raw[at + 4] * 256 + raw[at + 5];
        CU_ASSERT_EQUAL(raw[at], FCGI_VERSION_1);
        CU_ASSERT(raw[at + 2] == 1 && raw[at + 3] == 2);
        CU_ASSERT_EQUAL((content + raw[at + 6]) % 8, 0);
        if (raw[at + 1] == FCGI_STDOUT) {
            memcpy(stream + len, raw + at + 8, content);
            len += content;
            stream_ended = !content;
        }
        ended = raw[at + 1] == FCGI_END_REQUEST;
        at += 8 + content + raw[at + 6];
        CU_ASSERT(!ended || (stream_ended && at == n));
    }
    CU_ASSERT_TRUE(ended);
    stream[len] = '\0';
    return len;
}

static void record_carries_the_answer_with_its_length(void)
{
    begin();
    json_write_text(reply_json(&reply, 200), "hello");
    send_and_unframe();
    CU_ASSERT_STRING_EQUAL(stream, "Status: 200 OK\r\nContent-Type: application/json\r\n"
                                   "Content-Length: 7\r\n\r\n\"hello\"");
    reply.no_body = true;
    send_and_unframe();
    CU_ASSERT_STRING_EQUAL(stream, "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n");
}

static void record_gives_204_and_304_neither_body_nor_length(void)
{
    begin();
    reply_empty(&reply);
    send_and_unframe();
    CU_ASSERT_STRING_EQUAL(stream, "Status: 204 No Content\r\n\r\n");
    reply_reset(&reply);
    reply.status = 304;
    reply_header(&reply, "ETag", "\"1\"");
    buf_add_text(&reply.body, "stale");
    send_and_unframe();
    CU_ASSERT_STRING_EQUAL(stream, "Status: 304 Not Modified\r\nETag: \"1\"\r\n\r\n");
}

static void record_splits_what_is_too_long_for_one(void)
{
    static const size_t sizes[] = {65400, 65455, 65456, 65457, 65528, 65536, 131072, 150001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin();
        reply.status = 200;
        char *room = buf_reserve(&reply.body, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(room);
        for (size_t at = 0; at < sizes[i]; at++)
            room[at] = (char)('a' + at % 23);
        reply.body.len = sizes[i];
        size_t len = send_and_unframe();
        CU_ASSERT(len > sizes[i] && !memcmp(stream + len - sizes[i], room, sizes[i]));
    }
}

static void record_sends_503_when_memory_was_out(void)
{
    begin();
    reply_json(&reply, 200);
    reply.body.failed = true;
    send_and_unframe();
    CU_ASSERT_EQUAL(strncmp(stream, "Status: 503 Service Unavailable\r\n", 33), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(stream, "\"code\":\"unavailable\""));
}

static void record_send_tells_that_the_peer_is_gone(void)
{
    int pair[2];
    begin();
    json_write_text(reply_json(&reply, 200), "hello");
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    CU_ASSERT_FALSE(record_send(pair[0], 1, &reply));
    close(pair[0]);
}

void suite_reply(void)
{
    CU_pSuite suite = CU_add_suite("reply", open_arena, close_arena);
    UNIT_TEST(suite, reply_writes_json_with_its_type);
    UNIT_TEST(suite, reply_drops_a_header_that_would_forge_another);
    UNIT_TEST(suite, reply_empty_is_204);
    UNIT_TEST(suite, reply_tells_when_memory_was_out);
    UNIT_TEST(suite, problem_is_written_word_by_word);
    UNIT_TEST(suite, problem_has_the_headers_of_its_status);
    UNIT_TEST(suite, problem_has_a_title_for_every_status);
    UNIT_TEST(suite, record_carries_the_answer_with_its_length);
    UNIT_TEST(suite, record_gives_204_and_304_neither_body_nor_length);
    UNIT_TEST(suite, record_splits_what_is_too_long_for_one);
    UNIT_TEST(suite, record_sends_503_when_memory_was_out);
    UNIT_TEST(suite, record_send_tells_that_the_peer_is_gone);
}
