/* The route table: which row a request means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "http/route.h"
#include "unit.h"

void suite_route(void);

static const struct route table[] = {
    {METHOD_GET, "/", ACCESS_ANYONE, 0, 0, NULL},
    {METHOD_GET, "/sessions/{id}", ACCESS_USER, 0, ROUTE_READ_ONLY, NULL},
    {METHOD_DELETE, "/sessions/{id}", ACCESS_USER, 0, 0, NULL},
    {METHOD_GET, "/sessions", ACCESS_USER, 0, ROUTE_READ_ONLY, NULL},
    {METHOD_POST, "/sessions", ACCESS_USER, 65536, ROUTE_IDEMPOTENT_KEY, NULL},
    {METHOD_GET, "/sessions/active", ACCESS_USER, 0, 0, NULL},
    {METHOD_POST, "/sessions/{id}/messages/{message_id}/regenerate", ACCESS_USER, 1024, 0, NULL},
    {METHOD_GET, "/{any}/{thing}", ACCESS_USER, 0, 0, NULL},
    {0, NULL, 0, 0, 0, NULL},
};

static struct arena *arena;
static struct route_match match;

static int open_arena(void)
{
    arena = arena_new(1 << 20);
    return arena ? 0 : -1;
}

static int close_arena(void)
{
    arena_free(arena);
    return 0;
}

static enum status find(const char *method, const char *uri)
{
    char method_param[64];
    char uri_param[256];
    struct request request;
    struct fault fault = {0};
    snprintf(method_param, sizeof(method_param), "REQUEST_METHOD=%s", method);
    snprintf(uri_param, sizeof(uri_param), "REQUEST_URI=%s", uri);
    const char *params[] = {method_param, uri_param, NULL};
    enum status status = request_init(&request, arena, params, NULL, NULL, &fault);
    return status == ST_OK ? route_find(table, &request, &match) : status;
}

static void route_is_found_by_method_and_path(void)
{
    CU_ASSERT_EQUAL(find("GET", "/sessions"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 3);
    CU_ASSERT_EQUAL(find("POST", "/sessions"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 4);
    CU_ASSERT_EQUAL(find("GET", "/"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 0);
    CU_ASSERT_PTR_EQUAL(match.route, &table[0]);
}

static void route_gives_the_values_of_its_braces(void)
{
    CU_ASSERT_EQUAL(find("POST", "/sessions/a%2Fb/messages/17/regenerate"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 6);
    CU_ASSERT_STRING_EQUAL(match.param[0], "a/b");
    CU_ASSERT_STRING_EQUAL(match.param[1], "17");
    CU_ASSERT_PTR_NULL(match.param[2]);
}

static void route_prefers_literal_segments(void)
{
    CU_ASSERT_EQUAL(find("GET", "/sessions/active"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 5);
    CU_ASSERT_EQUAL(find("GET", "/sessions/activ"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 1);
    CU_ASSERT_EQUAL(find("GET", "/projects/active"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 7);
    CU_ASSERT_EQUAL(find("DELETE", "/sessions/active"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 2);
}

static void route_takes_head_as_get(void)
{
    CU_ASSERT_EQUAL(find("HEAD", "/sessions"), ST_OK);
    CU_ASSERT_EQUAL(match.index, 3);
}

static void route_tells_an_unknown_method_from_an_unknown_path(void)
{
    CU_ASSERT_EQUAL(find("PUT", "/sessions"), ST_NOT_ALLOWED);
    CU_ASSERT_STRING_EQUAL(match.allow, "GET, POST");
    CU_ASSERT_PTR_NULL(match.route);
    CU_ASSERT_EQUAL(find("OPTIONS", "/sessions/x"), ST_NOT_ALLOWED);
    CU_ASSERT_STRING_EQUAL(match.allow, "GET, DELETE");
    CU_ASSERT_EQUAL(find("PROPFIND", "/"), ST_NOT_ALLOWED);
    CU_ASSERT_EQUAL(find("HEAD", "/sessions/1/messages/2/regenerate"), ST_NOT_ALLOWED);
    CU_ASSERT_STRING_EQUAL(match.allow, "POST");
    CU_ASSERT_EQUAL(find("GET", "/session"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(find("GET", "/sessionsx"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(find("POST", "/sessions/1/messages/2"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(find("POST", "/sessions/1/messages/2/regenerate/3"), ST_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(match.allow, "");
}

static void route_compares_decoded_text(void)
{
    CU_ASSERT_EQUAL(find("GET", "/%73essions"), ST_OK);
    CU_ASSERT_EQUAL(find("POST", "/sessions%2F1%2Fmessages"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(find("GET", "/SESSIONS"), ST_NOT_FOUND);
}

static void route_table_is_printed_a_line_a_route(void)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    route_print(table + 3, out);
    fclose(out);
    const char *second = strchr(text, '\n') + 1;
    CU_ASSERT_EQUAL(strncmp(text, "GET     /sessions ", 18), 0);
    CU_ASSERT_EQUAL(strncmp(second, "POST    /sessions ", 18), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(second, " user   65536\n"));
    free(text);
}

void suite_route(void)
{
    CU_pSuite suite = CU_add_suite("route", open_arena, close_arena);
    UNIT_TEST(suite, route_is_found_by_method_and_path);
    UNIT_TEST(suite, route_gives_the_values_of_its_braces);
    UNIT_TEST(suite, route_prefers_literal_segments);
    UNIT_TEST(suite, route_takes_head_as_get);
    UNIT_TEST(suite, route_tells_an_unknown_method_from_an_unknown_path);
    UNIT_TEST(suite, route_compares_decoded_text);
    UNIT_TEST(suite, route_table_is_printed_a_line_a_route);
}
