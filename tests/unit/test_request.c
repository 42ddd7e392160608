/* Requests: the address decoder, headers, cookies, bodies. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "base/uuid.h"
#include "http/request.h"
#include "unit.h"

void suite_request(void);

#define PARAMS_MAX 12

static struct arena *arena;
static struct request request;
static struct fault fault;

static int open_arena(void)
{
    arena = arena_new(1 << 20);
    return arena && pattern_init() ? 0 : -1;
}

static int close_arena(void)
{
    arena_free(arena);
    return 0;
}

/* A body that comes in pieces of at most `piece` bytes and ends after `text`, or fails there. */
struct body {
    const char *text;
    size_t piece;
    bool fails;
};

static long body_read(void *source, char *bytes, size_t n)
{
    struct body *body = source;
    size_t left = strlen(body->text);
    if (!left && body->fails)
        return -1;
    if (n > body->piece)
        n = body->piece;
    if (n > left)
        n = left;
    memcpy(bytes, body->text, n);
    body->text += n;
    return (long)n;
}

/* The request keeps pointing to its parameters, so they are kept here. */
static enum status start(const char *const *params, struct body *body)
{
    static const char *kept[PARAMS_MAX + 1];
    unsigned n = 0;
    while (n < PARAMS_MAX && params[n]) {
        kept[n] = params[n];
        n++;
    }
    kept[n] = NULL;
    arena_reset(arena);
    fault = (struct fault){0};
    return request_init(&request, arena, kept, body_read, body, &fault);
}

static enum status get(const char *uri)
{
    static char text[REQUEST_URI_MAX + 64];
    snprintf(text, sizeof(text), "REQUEST_URI=%s", uri);
    return start((const char *const[]){"REQUEST_METHOD=GET", text, NULL}, NULL);
}

/* A request with one more parameter. */
static enum status with(const char *param)
{
    return start((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/", param, NULL}, NULL);
}

/* The segments between bars: "/a/b%2Fc" is "a|b/c". */
static const char *joined(void)
{
    static char text[REQUEST_URI_MAX];
    text[0] = '\0';
    for (unsigned i = 0; i < request.segments; i++) {
        strcat(text, i ? "|" : "");
        strcat(text, request.segment[i]);
    }
    return text;
}

static void uri_decodes_each_segment_once(void)
{
    static const struct {
        const char *uri;
        const char *segments;
    } cases[] = {
        {"/", ""},
        {"/a", "a"},
        {"/a/b/c", "a|b|c"},
        {"/?q=1", ""},
        {"/a?q=/x/y/", "a"},
        {"/a%2fb/c", "a/b|c"},
        {"/a%2Fb", "a/b"},
        {"/%252e%252e", "%2e%2e"},
        {"/a+b", "a+b"},
        {"/a%20b", "a b"},
        {"/a%3fb%23", "a?b#"},
        {"/caf%C3%A9", "caf\xc3\xa9"},
        {"/caf\xc3\xa9/x", "caf\xc3\xa9|x"},
        {"/.../..a", "...|..a"},
        {"/1/2/3/4/5/6/7/8/9/10/11/12", "1|2|3|4|5|6|7|8|9|10|11|12"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(get(cases[i].uri), ST_OK);
        CU_ASSERT_STRING_EQUAL(joined(), cases[i].segments);
    }
}

static void uri_refuses_what_is_not_a_path(void)
{
    static const struct {
        const char *uri;
        enum status status;
    } cases[] = {
        {"/a/b/", ST_NOT_FOUND},
        {"/a/b///", ST_NOT_FOUND},
        {"///", ST_NOT_FOUND},
        {"/a/?q=/x/y", ST_NOT_FOUND},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/", ST_NOT_FOUND},
        {"*", ST_INVALID},
        {"a/b", ST_INVALID},
        {"http://host/a", ST_INVALID},
        {"?a=b", ST_INVALID},
        {"/a/../b", ST_INVALID},
        {"/./a", ST_INVALID},
        {"/a/%2e%2E", ST_INVALID},
        {"/a/.%2e/", ST_INVALID},
        {"/a%00", ST_INVALID},
        {"/a%0d%0aSet-Cookie:%20x", ST_INVALID},
        {"/a%7f", ST_INVALID},
        {"/a%", ST_INVALID},
        {"/a%4", ST_INVALID},
        {"/a%4/b", ST_INVALID},
        {"/a%zz", ST_INVALID},
        {"/a%+1", ST_INVALID},
        {"/%c0%af", ST_INVALID},
        {"/%c0%ae%c0%ae/x", ST_INVALID},
        {"/%ed%a0%80", ST_INVALID},
        {"/%f5%80%80%80", ST_INVALID},
        {"/%e2%82", ST_INVALID},
        {"/\xff", ST_INVALID},
        {"/a b", ST_INVALID},
        {"/a#b", ST_INVALID},
        {"/a\tb", ST_INVALID},
        {"//a", ST_NOT_FOUND},
        {"/a//b", ST_NOT_FOUND},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13", ST_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(get(cases[i].uri), cases[i].status);
        CU_ASSERT_EQUAL(request.segments, 0);
        CU_ASSERT(fault.detail || fault.fields);
    }
}

static void uri_is_refused_beyond_its_limit_only(void)
{
    char uri[REQUEST_URI_MAX + 2];
    memset(uri, 'a', sizeof(uri));
    uri[0] = '/';
    uri[REQUEST_URI_MAX] = '\0';
    CU_ASSERT_EQUAL(get(uri), ST_OK);
    CU_ASSERT_EQUAL(strlen(request.segment[0]), REQUEST_URI_MAX - 1);
    uri[REQUEST_URI_MAX] = 'a';
    uri[REQUEST_URI_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(get(uri), ST_TOO_LARGE);
    CU_ASSERT_STRING_EQUAL(fault.code, "uri_too_long");
}

static void request_refused_is_good_enough_for_the_log(void)
{
    CU_ASSERT_EQUAL(get("/a\r\nb\x1b\xff?token=secret"), ST_INVALID);
    CU_ASSERT_STRING_EQUAL(request.path, "/a??b??");
    CU_ASSERT_EQUAL(strlen(request.id), UUID_LEN);
    CU_ASSERT_EQUAL(request.method, METHOD_GET);
    CU_ASSERT_STRING_EQUAL(request.method_name, "GET");

    CU_ASSERT_EQUAL(start((const char *const[]){NULL}, NULL), ST_INVALID);
    CU_ASSERT_EQUAL(request.method, METHOD_OTHER);
    CU_ASSERT_STRING_EQUAL(request.path, "?");
}

static void query_is_decoded_as_a_form(void)
{
    CU_ASSERT_EQUAL(get("/x?a=1&b=two+words&c=%2B%26%3D&d&e=&&f=x=y&na%6De=%C3%A9&a=1"), ST_OK);
    CU_ASSERT_STRING_EQUAL(request_query(&request, "a"), "1");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "b"), "two words");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "c"), "+&=");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "d"), "");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "e"), "");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "f"), "x=y");
    CU_ASSERT_STRING_EQUAL(request_query(&request, "name"), "\xc3\xa9");
    CU_ASSERT_PTR_NULL(request_query(&request, "g"));
    CU_ASSERT_EQUAL(request.queries, 7);
    CU_ASSERT_STRING_EQUAL(request.path, "/x");
}

static void query_at_fault_is_named(void)
{
    static const struct {
        const char *uri;
        const char *field;
    } cases[] = {
        {"/?limit=1&limit=2", "limit"},
        {"/?a=1&cursor=%00", "cursor"},
        {"/?cursor=%0a", "cursor"},
        {"/?q=%c0%af", "q"},
        {"/?q=%f", "q"},
        {"/?%ff=1", "query"},
        {"/?%0d%0a=1", "query"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(get(cases[i].uri), ST_INVALID);
        CU_ASSERT_EQUAL_FATAL(fault.fields, 1);
        CU_ASSERT_STRING_EQUAL(fault.field[0].field, cases[i].field);
        CU_ASSERT_EQUAL(request.queries, 0);
    }
}

static void query_has_a_limit_of_parameters(void)
{
    char uri[512] = "/?";
    for (unsigned i = 0; i < REQUEST_QUERY_MAX; i++)
        snprintf(uri + strlen(uri), sizeof(uri) - strlen(uri), "p%u=1&", i);
    CU_ASSERT_EQUAL(get(uri), ST_OK);
    CU_ASSERT_EQUAL(request.queries, REQUEST_QUERY_MAX);
    strcat(uri, "more=1");
    CU_ASSERT_EQUAL(get(uri), ST_INVALID);
}

static void method_is_known_by_its_exact_name(void)
{
    CU_ASSERT_EQUAL(start((const char *const[]){"REQUEST_METHOD=PATCH", "REQUEST_URI=/", NULL}, NULL), ST_OK);
    CU_ASSERT_EQUAL(request.method, METHOD_PATCH);
    CU_ASSERT_EQUAL(start((const char *const[]){"REQUEST_METHOD=get", "REQUEST_URI=/", NULL}, NULL), ST_OK);
    CU_ASSERT_EQUAL(request.method, METHOD_OTHER);
    CU_ASSERT_EQUAL(
        start((const char *const[]){"REQUEST_METHOD=POST", "REQUEST_URI=/", "HTTP_X_HTTP_METHOD_OVERRIDE=DELETE", NULL},
              NULL),
        ST_OK);
    CU_ASSERT_EQUAL(request.method, METHOD_POST);
}

static void request_id_is_the_callers_when_it_has_the_shape(void)
{
    CU_ASSERT_EQUAL(with("HTTP_X_REQUEST_ID=abc-123_DEF.9"), ST_OK);
    CU_ASSERT_STRING_EQUAL(request.id, "abc-123_DEF.9");
    CU_ASSERT_EQUAL(with("HTTP_X_REQUEST_ID=short"), ST_OK);
    CU_ASSERT_EQUAL(strlen(request.id), UUID_LEN);
    CU_ASSERT_EQUAL(with("HTTP_X_REQUEST_ID=has a space in it"), ST_OK);
    CU_ASSERT_EQUAL(strlen(request.id), UUID_LEN);
}

static void headers_are_found_by_their_usual_names(void)
{
    static const char *const params[] = {"REQUEST_METHOD=GET",        "REQUEST_URI=/",
                                         "HTTP_X_USER_ID=first",      "HTTP_X_USER_ID=second",
                                         "HTTP_PROXY=http://evil",    "HTTP_EMPTY=",
                                         "CONTENT_TYPE=text/plain",   "HTTP_CONTENT_TYPE=forged",
                                         "HTTP_ACCEPTED=longer name", NULL};
    CU_ASSERT_EQUAL(start(params, NULL), ST_OK);
    CU_ASSERT_STRING_EQUAL(request_header(&request, "X-User-ID"), "first");
    CU_ASSERT_STRING_EQUAL(request_header(&request, "Content-Type"), "text/plain");
    CU_ASSERT_PTR_NULL(request_header(&request, "Accept"));
    CU_ASSERT_PTR_NULL(request_header(&request, "Empty"));
    CU_ASSERT_PTR_NULL(request_header(&request, "Proxy"));
    CU_ASSERT_PTR_NULL(request_header(&request, "pROXY"));
    CU_ASSERT_STRING_EQUAL(request_param(&request, "HTTP_X_USER_ID"), "first");
}

static void header_beyond_the_limit_counts_as_absent(void)
{
    static char param[sizeof("HTTP_AUTHORIZATION=") + REQUEST_HEADER_MAX + 1] = "HTTP_AUTHORIZATION=";
    size_t name = strlen("HTTP_AUTHORIZATION=");
    memset(param + name, 'a', REQUEST_HEADER_MAX);
    CU_ASSERT_EQUAL(with(param), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(request_header(&request, "Authorization"));
    param[name + REQUEST_HEADER_MAX] = 'a';
    CU_ASSERT_EQUAL(with(param), ST_OK);
    CU_ASSERT_PTR_NULL(request_header(&request, "Authorization"));
}

static void cookies_are_read_one_by_one(void)
{
    CU_ASSERT_EQUAL(with("HTTP_COOKIE=xa=0; a=1;b=\"two\" ;  c=; d=x=y; a=2; bad=\xff; worse=a b"), ST_OK);
    CU_ASSERT_STRING_EQUAL(request_cookie(&request, "a"), "1");
    CU_ASSERT_STRING_EQUAL(request_cookie(&request, "b"), "two");
    CU_ASSERT_STRING_EQUAL(request_cookie(&request, "c"), "");
    CU_ASSERT_STRING_EQUAL(request_cookie(&request, "d"), "x=y");
    CU_ASSERT_PTR_NULL(request_cookie(&request, "bad"));
    CU_ASSERT_PTR_NULL(request_cookie(&request, "worse"));
    CU_ASSERT_PTR_NULL(request_cookie(&request, "x"));
    CU_ASSERT_EQUAL(get("/"), ST_OK);
    CU_ASSERT_PTR_NULL(request_cookie(&request, "a"));
}

static void cookies_have_a_limit(void)
{
    char param[512] = "HTTP_COOKIE=";
    for (unsigned i = 0; i < REQUEST_COOKIES_MAX - 1; i++)
        strcat(param, "n=1; ");
    strcat(param, "last=1; beyond=1");
    CU_ASSERT_EQUAL(with(param), ST_OK);
    CU_ASSERT_PTR_NOT_NULL(request_cookie(&request, "last"));
    CU_ASSERT_PTR_NULL(request_cookie(&request, "beyond"));
}

static enum status post(const char *length, struct body *body)
{
    static char param[64];
    snprintf(param, sizeof(param), "CONTENT_LENGTH=%s", length);
    return start((const char *const[]){"REQUEST_METHOD=POST", "REQUEST_URI=/", param, NULL}, body);
}

static void body_is_exactly_as_long_as_declared(void)
{
    struct body body = {"hello world", 3, false};
    CU_ASSERT_EQUAL(post("11", &body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 11, &fault), ST_OK);
    CU_ASSERT_EQUAL(request.body_len, 11);
    CU_ASSERT_STRING_EQUAL(request.body, "hello world");
    CU_ASSERT_EQUAL(request_read_body(&request, 11, &fault), ST_OK);

    struct body none = {"", 8, false};
    CU_ASSERT_EQUAL(post("", &none), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 0, &fault), ST_OK);
    CU_ASSERT_STRING_EQUAL(request.body, "");
}

static void body_of_another_length_is_refused(void)
{
    struct body short_body = {"hello", 64, false};
    CU_ASSERT_EQUAL(post("6", &short_body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 100, &fault), ST_INVALID);
    CU_ASSERT_PTR_NULL(request.body);

    struct body long_body = {"hello", 64, false};
    CU_ASSERT_EQUAL(post("4", &long_body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 100, &fault), ST_INVALID);

    struct body broken = {"hello", 64, true};
    CU_ASSERT_EQUAL(post("5", &broken), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 100, &fault), ST_INVALID);

    struct body undeclared = {"hello", 64, false};
    CU_ASSERT_EQUAL(post("", &undeclared), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 100, &fault), ST_INVALID);
}

static void body_beyond_the_limit_is_not_read(void)
{
    struct body body = {"hello", 64, false};
    CU_ASSERT_EQUAL(post("5", &body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 4, &fault), ST_TOO_LARGE);
    CU_ASSERT_STRING_EQUAL(body.text, "hello");
    CU_ASSERT_EQUAL(post("999999999999999999", &body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 4, &fault), ST_TOO_LARGE);
}

static void body_that_memory_cannot_hold_is_unavailable(void)
{
    struct body body = {"hello", 64, false};
    CU_ASSERT_EQUAL(post("2000000", &body), ST_OK);
    CU_ASSERT_EQUAL(request_read_body(&request, 4000000, &fault), ST_UNAVAILABLE);
}

static void content_length_is_a_number(void)
{
    static const char *const wrong[] = {"-1", "+1", "1 ", " 1", "0x10", "1,1", "1e3", "9999999999999999999", "one"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CU_ASSERT_EQUAL(post(wrong[i], NULL), ST_INVALID);
}

static void json_is_declared(void)
{
    static const struct {
        const char *type;
        bool json;
    } cases[] = {
        {"CONTENT_TYPE=application/json", true},
        {"CONTENT_TYPE=Application/JSON ; charset=utf-8", true},
        {"CONTENT_TYPE=application/json;charset=utf-8", true},
        {"CONTENT_TYPE=application/jsonx", false},
        {"CONTENT_TYPE=application/problem+json", false},
        {"CONTENT_TYPE=text/plain", false},
        {"CONTENT_TYPE=", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(with(cases[i].type), ST_OK);
        CU_ASSERT_EQUAL(request_is_json(&request), cases[i].json);
    }
    CU_ASSERT_EQUAL(with("CONTENT_LENGTH=2"), ST_OK);
    CU_ASSERT_FALSE(request_is_json(&request));
}

static void origin_is_made_of_scheme_and_host(void)
{
    static const struct {
        const char *host;
        const char *origin;
    } cases[] = {
        {"HTTP_HOST=example.org", "http://example.org"},
        {"HTTP_HOST=example.org:8080", "http://example.org:8080"},
        {"HTTP_HOST=[::1]:80", "http://[::1]:80"},
        {"HTTP_HOST=a/b", NULL},
        {"HTTP_HOST=a@b", NULL},
        {"HTTP_HOST=a:", NULL},
        {"HTTP_HOST=a:123456", NULL},
        {"HTTP_HOST=:80", NULL},
        {"HTTP_HOST=a\r\nX: y", NULL},
        {"HTTP_HOST=[]", NULL},
        {"HTTP_HOST=[::1", NULL},
        {"HTTP_OTHER=1", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(with(cases[i].host), ST_OK);
        const char *origin = request_origin(&request);
        CU_ASSERT_STRING_EQUAL(origin ? origin : "none", cases[i].origin ? cases[i].origin : "none");
    }
    static const char *const secure[] = {"HTTPS=on", "HTTPS=ON", "HTTP_X_FORWARDED_PROTO=https"};
    for (size_t i = 0; i < sizeof(secure) / sizeof(secure[0]); i++) {
        CU_ASSERT_EQUAL(
            start((const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_HOST=h", secure[i], NULL}, NULL),
            ST_OK);
        CU_ASSERT_STRING_EQUAL(request_origin(&request), "https://h");
    }
    CU_ASSERT_EQUAL(with("HTTPS=off"), ST_OK);
    CU_ASSERT_FALSE(request_is_https(&request));
}

void suite_request(void)
{
    CU_pSuite suite = CU_add_suite("request", open_arena, close_arena);
    UNIT_TEST(suite, uri_decodes_each_segment_once);
    UNIT_TEST(suite, uri_refuses_what_is_not_a_path);
    UNIT_TEST(suite, uri_is_refused_beyond_its_limit_only);
    UNIT_TEST(suite, request_refused_is_good_enough_for_the_log);
    UNIT_TEST(suite, query_is_decoded_as_a_form);
    UNIT_TEST(suite, query_at_fault_is_named);
    UNIT_TEST(suite, query_has_a_limit_of_parameters);
    UNIT_TEST(suite, method_is_known_by_its_exact_name);
    UNIT_TEST(suite, request_id_is_the_callers_when_it_has_the_shape);
    UNIT_TEST(suite, headers_are_found_by_their_usual_names);
    UNIT_TEST(suite, header_beyond_the_limit_counts_as_absent);
    UNIT_TEST(suite, cookies_are_read_one_by_one);
    UNIT_TEST(suite, cookies_have_a_limit);
    UNIT_TEST(suite, body_is_exactly_as_long_as_declared);
    UNIT_TEST(suite, body_of_another_length_is_refused);
    UNIT_TEST(suite, body_beyond_the_limit_is_not_read);
    UNIT_TEST(suite, body_that_memory_cannot_hold_is_unavailable);
    UNIT_TEST(suite, content_length_is_a_number);
    UNIT_TEST(suite, json_is_declared);
    UNIT_TEST(suite, origin_is_made_of_scheme_and_host);
}
