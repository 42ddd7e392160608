/* Refresh tokens: opaque, single use, stored hashed. */
#include "auth/refresh.h"

#include <string.h>

#include "core/call.h"

#define UUID_BYTES 16

struct raw {
    unsigned char user[UUID_BYTES];
    unsigned char family[UUID_BYTES];
    unsigned char secret[REFRESH_SECRET_LEN];
};

static enum status hash_secret(const struct raw *raw, char hex[CRYPTO_SHA256_HEX + 1])
{
    unsigned char digest[CRYPTO_SHA256_LEN];
    enum status status = crypto_sha256(raw->secret, sizeof(raw->secret), digest);
    if (status == ST_OK)
        crypto_hex(digest, sizeof(digest), hex);
    return status;
}

/* A token with new secret bits for the given user and family. */
static enum status make(struct refresh_token *token, const struct uuid *user, const struct uuid *family)
{
    struct raw raw;
    token->user = *user;
    token->family = *family;
    uuid_to_bytes(user, raw.user);
    uuid_to_bytes(family, raw.family);
    enum status status = crypto_random(raw.secret, sizeof(raw.secret));
    if (status == ST_OK)
        status = hash_secret(&raw, token->hash);
    if (status == ST_OK)
        crypto_base64url(&raw, sizeof(raw), token->text);
    crypto_wipe(&raw, sizeof(raw));
    return status;
}

enum status refresh_new(struct refresh_token *token, const struct uuid *user)
{
    struct uuid family;
    if (!uuid_v4(&family))
        return ST_UNAVAILABLE;
    return make(token, user, &family);
}

void refresh_queue_store(struct call *call, const struct refresh_token *token)
{
    db_add(&call->tx, QUERY_REFRESH_CREATE, token->user.text, token->family.text, token->hash,
           db_int(call->arena, call->settings->refresh_token_seconds));
}

enum status refresh_parse(struct refresh_token *token, const char *text)
{
    struct raw raw;
    size_t len = strlen(text);
    if (len != REFRESH_TEXT_LEN || crypto_base64url_decode(text, len, &raw, sizeof(raw)) != sizeof(raw))
        return ST_UNAUTHENTICATED;
    uuid_from_bytes(&token->user, raw.user);
    uuid_from_bytes(&token->family, raw.family);
    token->text[0] = '\0';
    enum status status = hash_secret(&raw, token->hash);
    crypto_wipe(&raw, sizeof(raw));
    return status;
}

enum status refresh_rotate(struct call *call, const struct refresh_token *used, struct refresh_token *next)
{
    enum status status = make(next, &used->user, &used->family);
    if (status != ST_OK)
        return status;
    call_next(call);
    db_tx_claim(&call->tx, DB_CLAIM_REFRESH, used->family.text);
    const struct db_rows *rows = db_add(&call->tx, QUERY_REFRESH_ROTATE, used->user.text, used->family.text, used->hash,
                                        next->hash, db_int(call->arena, call->settings->refresh_token_seconds));
    status = call_run(call);
    if (status != ST_OK)
        return status;
    const char *outcome = rows->count ? row_text(rows, 0, 0) : "unknown";
    if (strcmp(outcome, "rotated") == 0)
        return ST_OK;
    if (strcmp(outcome, "reused") == 0)
        return fault_set(&call->fault, ST_UNAUTHENTICATED, "refresh_reused",
                         "This refresh token was used before; its whole family is signed out now.");
    return fault_set(&call->fault, ST_UNAUTHENTICATED, "refresh_invalid", "The refresh token is not valid.");
}

enum status refresh_revoke(struct call *call, const struct refresh_token *token)
{
    call_next(call);
    db_tx_claim(&call->tx, DB_CLAIM_REFRESH, token->family.text);
    db_add(&call->tx, QUERY_REFRESH_REVOKE, token->user.text, token->family.text, token->hash);
    return call_run(call);
}
