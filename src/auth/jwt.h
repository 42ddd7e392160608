/*
 * Access tokens: JWT (RFC 7519) signed with HS256 and nothing else. The header's alg is compared, never obeyed.
 */
#ifndef PARLEY_AUTH_JWT_H
#define PARLEY_AUTH_JWT_H

#include <stdint.h>

#include "base/settings.h"
#include "base/status.h"
#include "base/uuid.h"

#define JWT_MAX          4096
#define JWT_SKEW_SECONDS 30
#define JWT_SECRET_MIN   32 /* bytes, RFC 7518 section 3.2 */

struct arena;

/* A token for subject that holds from now (seconds since the epoch) for settings->access_token_seconds; NULL when
 * memory is out. */
const char *jwt_sign(struct arena *arena, const struct settings *settings, const struct uuid *subject, int64_t now);

/* The subject of a token that is signed by the present or the previous secret and whose exp, nbf, iat, iss and aud hold
 * at now, with 30 s of skew; else ST_UNAUTHENTICATED (fault code "token_expired" or "token_invalid"). */
enum status jwt_verify(struct arena *arena, const struct settings *settings, const char *token, int64_t now,
                       struct uuid *subject, struct fault *fault) MUST_CHECK;

#endif
