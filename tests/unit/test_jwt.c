/* Access tokens: what is signed is believed, and nothing else. */
#include "auth/jwt.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/crypto.h"
#include "base/uuid.h"
#include "unit.h"

void suite_jwt(void);

#define NOW 1800000000

static struct arena *arena;
static struct settings settings;
static struct uuid alice;

static int prepare(void)
{
    arena = arena_new(1 << 20);
    settings = (struct settings){.jwt_issuer = "parley", .jwt_audience = "parley", .access_token_seconds = 900};
    settings.jwt_secret.len = settings.jwt_previous_secret.len = 32;
    memset(settings.jwt_secret.bytes, 'a', 32);
    memset(settings.jwt_previous_secret.bytes, 'b', 32);
    return arena && uuid_parse(&alice, "01890a5d-ac96-774b-bcce-b302099a8057") ? 0 : 1;
}

static int finish(void)
{
    arena_free(arena);
    return 0;
}

static const char *encode(const char *text)
{
    char *out = arena_alloc(arena, CRYPTO_BASE64_LEN(strlen(text)) + 1);
    crypto_base64url(text, strlen(text), out);
    return out;
}

/* A token with any header and payload, signed as asked. */
static const char *forge(const char *header, const char *payload, char secret_byte)
{
    unsigned char key[32], mac[CRYPTO_SHA256_LEN];
    char signature[CRYPTO_BASE64_LEN(CRYPTO_SHA256_LEN) + 1];
    memset(key, secret_byte, sizeof(key));
    const char *text = arena_printf(arena, "%s.%s", encode(header), encode(payload));
    CU_ASSERT_EQUAL_FATAL(crypto_hmac_sha256(key, sizeof(key), text, strlen(text), mac), ST_OK);
    crypto_base64url(mac, sizeof(mac), signature);
    return arena_printf(arena, "%s.%s", text, signature);
}

static enum status verify(const char *token, int64_t now)
{
    struct uuid subject = {""};
    struct fault fault = {0};
    enum status status = jwt_verify(arena, &settings, token, now, &subject, &fault);
    CU_ASSERT_STRING_EQUAL(subject.text, status == ST_OK ? alice.text : "");
    return status;
}

#define HS256        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS(more) "{\"sub\":\"01890a5d-ac96-774b-bcce-b302099a8057\"," more "}"
#define GOOD         CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1800000100")

static void jwt_accepts_what_it_signed(void)
{
    const char *token = jwt_sign(arena, &settings, &alice, NOW);
    CU_ASSERT_PTR_NOT_NULL_FATAL(token);
    CU_ASSERT_EQUAL(verify(token, NOW), ST_OK);
    CU_ASSERT_EQUAL(verify(token, NOW + 900 + JWT_SKEW_SECONDS - 1), ST_OK);
    CU_ASSERT_EQUAL(verify(token, NOW + 900 + JWT_SKEW_SECONDS), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(token, NOW - JWT_SKEW_SECONDS), ST_OK);
    CU_ASSERT_EQUAL(verify(token, NOW - JWT_SKEW_SECONDS - 1), ST_UNAUTHENTICATED);
}

static void jwt_accepts_both_secrets_during_a_rotation(void)
{
    CU_ASSERT_EQUAL(verify(forge(HS256, GOOD, 'a'), NOW), ST_OK);
    CU_ASSERT_EQUAL(verify(forge(HS256, GOOD, 'b'), NOW), ST_OK);
    CU_ASSERT_EQUAL(verify(forge(HS256, GOOD, 'c'), NOW), ST_UNAUTHENTICATED);
}

static void jwt_refuses_every_other_algorithm(void)
{
    CU_ASSERT_EQUAL(verify(forge("{\"typ\":\"JWT\",\"alg\":\"HS256\"}", GOOD, 'a'), NOW), ST_OK);
    CU_ASSERT_EQUAL(verify(forge("{\"alg\":\"none\"}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(forge("{\"alg\":\"hs256\"}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(forge("{\"alg\":\"RS256\"}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(forge("{\"alg\":\"HS512\"}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(forge("{\"alg\":\"HS256\",\"crit\":[\"x\"]}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(forge("{}", GOOD, 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(verify(arena_printf(arena, "%s.%s.", encode("{\"alg\":\"none\"}"), encode(GOOD)), NOW),
                    ST_UNAUTHENTICATED);
}

static void jwt_needs_issuer_audience_expiry_and_a_uuid(void)
{
    static const char *const refused[] = {
        CLAIMS("\"aud\":\"parley\",\"exp\":1800000100"),
        CLAIMS("\"iss\":\"other\",\"aud\":\"parley\",\"exp\":1800000100"),
        CLAIMS("\"iss\":\"parley\",\"exp\":1800000100"),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"other\",\"exp\":1800000100"),
        CLAIMS("\"iss\":\"parley\",\"aud\":[\"x\",1],\"exp\":1800000100"),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\""),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":\"1800000100\""),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":null"),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1799999970"),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1800000100,\"nbf\":1800000031"),
        CLAIMS("\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1800000100,\"iat\":1800000031"),
        "{\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1800000100}",
        "{\"sub\":\"alice\",\"iss\":\"parley\",\"aud\":\"parley\",\"exp\":1800000100}",
        "[]",
        "",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        CU_ASSERT_EQUAL(verify(forge(HS256, refused[i], 'a'), NOW), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(
        verify(forge(HS256, CLAIMS("\"iss\":\"parley\",\"aud\":[\"x\",\"parley\"],\"exp\":1800000100.5"), 'a'), NOW),
        ST_OK);
}

static void jwt_refuses_any_changed_character(void)
{
    const char *token = forge(HS256, GOOD, 'a');
    for (size_t i = 0; token[i]; i++) {
        char *changed = arena_strdup(arena, token);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CU_ASSERT_EQUAL(verify(changed, NOW), ST_UNAUTHENTICATED);
    }
    for (size_t n = 0; n < strlen(token); n++)
        CU_ASSERT_EQUAL(verify(arena_strndup(arena, token, n), NOW), ST_UNAUTHENTICATED);
}

static void jwt_refuses_a_short_secret(void)
{
    const char *token = forge(HS256, GOOD, 'a');
    settings.jwt_secret.len = 31;
    CU_ASSERT_EQUAL(verify(token, NOW), ST_UNAUTHENTICATED);
    settings.jwt_secret.len = 32;
}

static void jwt_says_when_a_token_has_expired(void)
{
    struct uuid subject;
    struct fault fault = {0};
    const char *token = jwt_sign(arena, &settings, &alice, NOW);
    CU_ASSERT_EQUAL(jwt_verify(arena, &settings, token, NOW + 5000, &subject, &fault), ST_UNAUTHENTICATED);
    CU_ASSERT_STRING_EQUAL(fault.code, "token_expired");
}

void suite_jwt(void)
{
    CU_pSuite suite = CU_add_suite("jwt", prepare, finish);
    UNIT_TEST(suite, jwt_accepts_what_it_signed);
    UNIT_TEST(suite, jwt_accepts_both_secrets_during_a_rotation);
    UNIT_TEST(suite, jwt_refuses_every_other_algorithm);
    UNIT_TEST(suite, jwt_needs_issuer_audience_expiry_and_a_uuid);
    UNIT_TEST(suite, jwt_refuses_any_changed_character);
    UNIT_TEST(suite, jwt_refuses_a_short_secret);
    UNIT_TEST(suite, jwt_says_when_a_token_has_expired);
}
