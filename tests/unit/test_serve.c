/* The steps of a request, without FastCGI and without a database: every request gets a complete answer. */
#include "server/serve.h"

#include <stdio.h>
#include <string.h>

#include "auth/jwt.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/pattern.h"
#include "failmalloc.h"
#include "unit.h"

void suite_serve(void);

static struct arena *arena;
static struct settings settings;
static struct app app;
static struct reply reply;
static struct served served;

static int prepare(void)
{
    settings = (struct settings){
        .database = "host=/nonexistent dbname=nobody user=nobody",
        .jwt_issuer = "parley",
        .jwt_audience = "parley",
        .access_token_seconds = 900,
        .database_timeout_ms = 1000,
        .max_body_bytes = 1 << 20,
        .max_message_bytes = 1 << 18,
        .cookie_secure = "auto",
        .allowed_origins = "",
        .signup = true,
    };
    settings.jwt_secret.len = 32;
    arena = arena_new(8 << 20);
    app = (struct app){.settings = &settings, .db = db_new(&settings)};
    return arena && app.db && pattern_init() && password_init(1) == ST_OK ? 0 : 1;
}

static int finish(void)
{
    db_free(app.db);
    arena_free(arena);
    return 0;
}

static long read_body(void *source, char *bytes, size_t n)
{
    const char **text = source;
    size_t len = strlen(*text) < n ? strlen(*text) : n;
    memcpy(bytes, *text, len);
    *text += len;
    return (long)len;
}

/* Serves one request; with a token when `who` is not NULL. */
static unsigned ask(const char *method, const char *uri, const char *body, const char *who)
{
    static char line[4][5000];
    const char *params[8] = {line[0], line[1], line[2], "CONTENT_TYPE=application/json", NULL};
    arena_reset(arena);
    (void)snprintf(line[0], sizeof(line[0]), "REQUEST_METHOD=%s", method);
    (void)snprintf(line[1], sizeof(line[1]), "REQUEST_URI=%s", uri);
    (void)snprintf(line[2], sizeof(line[2]), "CONTENT_LENGTH=%zu", strlen(body));
    if (who) {
        struct uuid user;
        CU_ASSERT_TRUE_FATAL(uuid_parse(&user, who));
        const char *token = jwt_sign(arena, &settings, &user, clock_real_ms() / 1000);
        (void)snprintf(line[3], sizeof(line[3]), "HTTP_AUTHORIZATION=Bearer %s", token ? token : "");
        params[4] = line[3];
    }
    serve(&app, arena, params, read_body, &body, &reply, &served);
    return reply.status;
}

static bool body_has(const char *text)
{
    const char *body = buf_text(&reply.body);
    return body && strstr(body, text);
}

#define ALICE "01890a5d-ac96-774b-bcce-b302099a8057"

static void serve_answers_health_without_a_database(void)
{
    CU_ASSERT_EQUAL(ask("GET", "/healthz", "", NULL), 200);
    CU_ASSERT_TRUE(body_has("alive"));
    CU_ASSERT_EQUAL(ask("GET", "/readyz", "", NULL), 503);
}

static void serve_asks_for_a_token_before_it_looks_at_anything(void)
{
    for (const struct route *route = api_routes; route->path; route++) {
        if (route->access != ACCESS_USER)
            continue;
        CU_ASSERT_EQUAL(ask(method_name(route->method), route->path, "not json", NULL), 401);
        CU_ASSERT_TRUE(body_has("\"code\":\"unauthenticated\""));
    }
}

static void serve_says_503_when_the_database_is_away(void)
{
    CU_ASSERT_EQUAL(ask("GET", "/api/v1/sessions", "", ALICE), 503);
    CU_ASSERT_EQUAL(ask("POST", "/api/v1/sessions", "{}", ALICE), 503);
    CU_ASSERT_TRUE(strstr(buf_text(&reply.headers), "Retry-After: ") != NULL);
}

static void serve_names_every_wrong_field(void)
{
    CU_ASSERT_EQUAL(ask("POST", "/api/v1/auth/signup", "{\"email\":\"x\",\"password\":\"short\"}", NULL), 400);
    CU_ASSERT_TRUE(body_has("\"field\":\"email\""));
    CU_ASSERT_TRUE(body_has("\"field\":\"password\""));
    CU_ASSERT_EQUAL(ask("GET", "/api/v1/sessions?limit=0&active=perhaps", "", ALICE), 400);
    CU_ASSERT_TRUE(body_has("\"field\":\"limit\""));
    CU_ASSERT_TRUE(body_has("\"field\":\"active\""));
}

static void serve_refuses_what_no_route_takes(void)
{
    CU_ASSERT_EQUAL(ask("GET", "/nothing", "", NULL), 404);
    CU_ASSERT_EQUAL(ask("PUT", "/api/v1/sessions", "", ALICE), 405);
    CU_ASSERT_TRUE(strstr(buf_text(&reply.headers), "Allow: ") != NULL);
    CU_ASSERT_EQUAL(ask("GET", "/api/v1/sessions/not-a-uuid", "", ALICE), 404);
    CU_ASSERT_EQUAL(ask("GET", "/%00", "", NULL), 400);
}

/* Each allocation of a request fails in turn: the answer is whole or a problem, never a crash. */
static void serve_survives_every_failing_allocation(void)
{
    static const char body[] = "{\"role\":\"user\",\"content\":\"hello\",\"metadata\":{\"a\":[1,2,3]}}";
    unsigned status = 0;
    for (unsigned n = 1; n < 2000 && status != 503 + 1000; n++) {
        failmalloc_after(n);
        unsigned answered = ask("POST", "/api/v1/sessions/" ALICE "/messages", body, ALICE);
        bool hit = failmalloc_happened();
        failmalloc_after(0);
        CU_ASSERT_TRUE(answered >= 400);
        if (!hit)
            status = answered + 1000;
    }
    CU_ASSERT_EQUAL(status, 503 + 1000);
}

void suite_serve(void)
{
    CU_pSuite suite = CU_add_suite("serve", prepare, finish);
    UNIT_TEST(suite, serve_answers_health_without_a_database);
    UNIT_TEST(suite, serve_asks_for_a_token_before_it_looks_at_anything);
    UNIT_TEST(suite, serve_says_503_when_the_database_is_away);
    UNIT_TEST(suite, serve_names_every_wrong_field);
    UNIT_TEST(suite, serve_refuses_what_no_route_takes);
    UNIT_TEST(suite, serve_survives_every_failing_allocation);
}
