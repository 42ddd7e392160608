/*
 * Access tokens: JWT with HS256.
 *
 * What must stay true: the signature is checked, in constant time, before a byte of the payload is believed; no
 * algorithm but HS256 is ever taken, whatever the header says.
 */
#include "auth/jwt.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/json_writer.h"

/* base64url of {"alg":"HS256","typ":"JWT"}: the header of every token made here. */
#define OWN_HEADER         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define SIGNATURE_TEXT_LEN CRYPTO_BASE64_LEN(CRYPTO_SHA256_LEN)

struct parts {
    const char *header, *payload, *signature;
    size_t header_len, payload_len, signature_len;
    size_t signed_len; /* of "header.payload" */
};

static enum status invalid(struct fault *fault)
{
    return fault_set(fault, ST_UNAUTHENTICATED, "token_invalid", "The access token is not valid.");
}

static bool sign(const struct settings_secret *secret, const char *text, size_t n, char out[SIGNATURE_TEXT_LEN + 1])
{
    unsigned char mac[CRYPTO_SHA256_LEN];
    if (crypto_hmac_sha256(secret->bytes, secret->len, text, n, mac) != ST_OK)
        return false;
    crypto_base64url(mac, sizeof(mac), out);
    return true;
}

const char *jwt_sign(struct arena *arena, const struct settings *settings, const struct uuid *subject, int64_t now)
{
    struct buf claims, token;
    struct json_writer json;
    buf_init(&claims, arena);
    json_writer_init(&json, &claims);
    json_begin_object(&json);
    json_put_text(&json, "sub", subject->text);
    json_put_text(&json, "iss", settings->jwt_issuer);
    json_put_text(&json, "aud", settings->jwt_audience);
    json_put_int(&json, "iat", now);
    json_put_int(&json, "nbf", now);
    json_put_int(&json, "exp", now + settings->access_token_seconds);
    json_end_object(&json);

    buf_init(&token, arena);
    buf_add_text(&token, OWN_HEADER ".");
    size_t payload_len = CRYPTO_BASE64_LEN(claims.len);
    char *payload = claims.failed ? NULL : buf_reserve(&token, payload_len + 1);
    if (!payload)
        return NULL;
    crypto_base64url(claims.data, claims.len, payload);
    token.len += payload_len;
    char signature[SIGNATURE_TEXT_LEN + 1];
    if (!sign(&settings->jwt_secret, token.data, token.len, signature))
        return NULL;
    buf_add_char(&token, '.');
    buf_add_text(&token, signature);
    return buf_text(&token);
}

static bool split(const char *token, struct parts *parts)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.'))
        return false;
    *parts = (struct parts){
        .header = token,
        .header_len = (size_t)(first - token),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = strlen(second + 1),
        .signed_len = (size_t)(second - token),
    };
    return true;
}

static const struct json *decode_object(struct arena *arena, const char *text, size_t n)
{
    const struct json *document;
    struct json_error error;
    char *bytes = arena_alloc(arena, n + 1);
    long len = bytes ? crypto_base64url_decode(text, n, bytes, n) : -1;
    if (len < 0 || json_parse(arena, bytes, (size_t)len, &document, &error) != ST_OK ||
        json_type(document) != JSON_OBJECT)
        return NULL;
    return document;
}

/* RFC 7515: alg must be ours, and an extension we would have to understand (crit) is one we do not. */
static bool header_fits(struct arena *arena, const struct parts *parts)
{
    if (parts->header_len == strlen(OWN_HEADER) && memcmp(parts->header, OWN_HEADER, parts->header_len) == 0)
        return true;
    const struct json *header = decode_object(arena, parts->header, parts->header_len);
    const struct json *alg = header ? json_member(header, "alg") : NULL;
    return alg && json_type(alg) == JSON_STRING && strcmp(json_string(alg, NULL), "HS256") == 0 &&
           !json_member(header, "crit");
}

static bool signature_fits(const struct settings_secret *secret, const struct parts *parts)
{
    char made[SIGNATURE_TEXT_LEN + 1];
    return secret->len >= JWT_SECRET_MIN && parts->signature_len == SIGNATURE_TEXT_LEN &&
           sign(secret, parts->header, parts->signed_len, made) &&
           crypto_equal(made, parts->signature, SIGNATURE_TEXT_LEN);
}

/* A NumericDate; false when it is there but is no number. absent stays as it was. */
static bool read_date(const struct json *claims, const char *name, double *date)
{
    const struct json *value = json_member(claims, name);
    if (!value)
        return true;
    if (json_type(value) == JSON_INT)
        *date = (double)json_int(value);
    else if (json_type(value) == JSON_DOUBLE)
        *date = json_double(value);
    else
        return false;
    return true;
}

static bool text_is(const struct json *value, const char *text)
{
    return value && json_type(value) == JSON_STRING && strcmp(json_string(value, NULL), text) == 0;
}

/* aud is one string or several (RFC 7519 section 4.1.3). */
static bool audience_fits(const struct json *claims, const char *audience)
{
    const struct json *aud = json_member(claims, "aud");
    if (!aud || json_type(aud) != JSON_ARRAY)
        return text_is(aud, audience);
    for (size_t i = 0; i < json_size(aud); i++)
        if (text_is(json_element(aud, i), audience))
            return true;
    return false;
}

static enum status check_claims(const struct json *claims, const struct settings *settings, int64_t now,
                                struct uuid *subject, struct fault *fault)
{
    double skew = JWT_SKEW_SECONDS, at = (double)now;
    double exp = -1, nbf = at, iat = at;
    if (!read_date(claims, "exp", &exp) || !read_date(claims, "nbf", &nbf) || !read_date(claims, "iat", &iat))
        return invalid(fault);
    if (!json_member(claims, "exp") || nbf > at + skew || iat > at + skew)
        return invalid(fault);
    if (!text_is(json_member(claims, "iss"), settings->jwt_issuer) || !audience_fits(claims, settings->jwt_audience))
        return invalid(fault);
    const struct json *sub = json_member(claims, "sub");
    if (!sub || json_type(sub) != JSON_STRING || !uuid_parse(subject, json_string(sub, NULL)))
        return invalid(fault);
    if (!(at < exp + skew))
        return fault_set(fault, ST_UNAUTHENTICATED, "token_expired", "The access token has expired.");
    return ST_OK;
}

enum status jwt_verify(struct arena *arena, const struct settings *settings, const char *token, int64_t now,
                       struct uuid *subject, struct fault *fault)
{
    struct parts parts;
    if (strlen(token) > JWT_MAX || !split(token, &parts))
        return invalid(fault);
    if (!signature_fits(&settings->jwt_secret, &parts) && !signature_fits(&settings->jwt_previous_secret, &parts))
        return invalid(fault);
    if (!header_fits(arena, &parts))
        return invalid(fault);
    const struct json *claims = decode_object(arena, parts.payload, parts.payload_len);
    struct uuid found;
    enum status status = claims ? check_claims(claims, settings, now, &found, fault) : invalid(fault);
    if (status == ST_OK)
        *subject = found;
    return status;
}
