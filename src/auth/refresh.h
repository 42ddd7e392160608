/*
 * Refresh tokens: opaque, single use, stored hashed.
 *
 * A token is base64url of user id (16 bytes), family id (16 random bytes) and 32 random bytes. The ids find the row of
 * its family, under the claim parley.refresh; SHA-256 of the 32 bytes proves it. A used token still names its family,
 * which is revoked at once: somebody has a copy.
 */
#ifndef PARLEY_AUTH_REFRESH_H
#define PARLEY_AUTH_REFRESH_H

#include "base/crypto.h"
#include "base/status.h"
#include "base/uuid.h"

#define REFRESH_SECRET_LEN 32
#define REFRESH_TEXT_LEN   CRYPTO_BASE64_LEN(16 + 16 + REFRESH_SECRET_LEN)

struct call;

struct refresh_token {
    struct uuid user;
    struct uuid family;
    char hash[CRYPTO_SHA256_HEX + 1]; /* of the secret part */
    char text[REFRESH_TEXT_LEN + 1];  /* what the client keeps; "" for a parsed one */
};

/* A token of a new family for user. The caller stores it: refresh_queue_store. */
enum status refresh_new(struct refresh_token *token, const struct uuid *user) MUST_CHECK;

/* Queues storing a new family; the caller runs the call, which must be the user's. */
void refresh_queue_store(struct call *call, const struct refresh_token *token);

/* Reads a token's text; ST_UNAUTHENTICATED when it is none. */
enum status refresh_parse(struct refresh_token *token, const char *text) MUST_CHECK;

/* Exchanges a token for the next of its family, in a transaction of its own. ST_UNAUTHENTICATED (fault code
 * "refresh_reused" or "refresh_invalid"): it was used before, and its family is revoked on disk when this answers; or
 * it is unknown, expired or revoked. */
enum status refresh_rotate(struct call *call, const struct refresh_token *used, struct refresh_token *next) MUST_CHECK;

/* Signs the token's family out, in a transaction of its own; a token that is not current changes nothing. */
enum status refresh_revoke(struct call *call, const struct refresh_token *token) MUST_CHECK;

#endif
