/*
 * Fuzzing the reader of access tokens and refresh tokens: whatever the text, no crash, and nobody is let in who does
 * not hold the secret.
 *
 * The input is tried three ways: as a whole token (it must be refused: its signature cannot be right), as header and
 * payload that are signed here (it may be accepted, and then names a valid UUID), and as a refresh token (if it is one,
 * its text is the one that was read).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "auth/refresh.h"
#include "base/arena.h"
#include "base/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP ((size_t)64 * 1024 * 1024)
#define NOW 1800000000

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static const char *encode(struct arena *arena, const char *text, size_t n)
{
    char *out = arena_alloc(arena, CRYPTO_BASE64_LEN(n) + 1);
    demand(out != NULL);
    crypto_base64url(text, n, out);
    return out;
}

/* "header.payload" signed with the right secret: the text's first line is the header. */
static const char *sign(struct arena *arena, const struct settings *settings, const char *text, size_t n)
{
    unsigned char mac[CRYPTO_SHA256_LEN];
    const char *eol = memchr(text, '\n', n);
    size_t header = eol ? (size_t)(eol - text) : n;
    const char *payload = eol ? eol + 1 : "";
    const char *head =
        arena_printf(arena, "%s.%s", encode(arena, text, header), encode(arena, payload, eol ? n - header - 1 : 0));
    demand(head &&
           crypto_hmac_sha256(settings->jwt_secret.bytes, settings->jwt_secret.len, head, strlen(head), mac) == ST_OK);
    return arena_printf(arena, "%s.%s", head, encode(arena, (const char *)mac, sizeof(mac)));
}

static void check_refresh(const char *text)
{
    struct refresh_token token;
    struct uuid uuid;
    if (refresh_parse(&token, text) != ST_OK)
        return;
    demand(strlen(text) == REFRESH_TEXT_LEN && strlen(token.hash) == CRYPTO_SHA256_HEX);
    demand(uuid_parse(&uuid, token.user.text) && uuid_parse(&uuid, token.family.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings settings = {.jwt_issuer = "parley", .jwt_audience = "parley", .access_token_seconds = 900};
    struct arena *arena = arena_new(CAP);
    struct uuid subject, uuid;
    struct fault fault = {0};
    demand(arena != NULL);
    memset(settings.jwt_secret.bytes, 'a', settings.jwt_secret.len = 32);

    const char *text = arena_strndup(arena, (const char *)data, size);
    demand(text && jwt_verify(arena, &settings, text, NOW, &subject, &fault) == ST_UNAUTHENTICATED);
    const char *token = sign(arena, &settings, (const char *)data, size);
    demand(token != NULL);
    if (jwt_verify(arena, &settings, token, NOW, &subject, &fault) == ST_OK)
        demand(uuid_parse(&uuid, subject.text));
    check_refresh(text);
    arena_free(arena);
    return 0;
}
