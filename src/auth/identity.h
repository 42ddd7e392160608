/*
 * Who calls: the one place where a request's proof becomes a user id.
 *
 * Proof is a Bearer access token. Where trusted_header is on, X-User-ID counts if X-Proxy-Secret is the secret shared
 * with the front server. X-User-ID beside a token must be the token's subject (else ST_FORBIDDEN, code
 * "user_mismatch"); alone it proves nothing.
 */
#ifndef PARLEY_AUTH_IDENTITY_H
#define PARLEY_AUTH_IDENTITY_H

#include "base/settings.h"
#include "base/status.h"
#include "base/uuid.h"

struct request;

/* The caller of the request, or ST_UNAUTHENTICATED / ST_FORBIDDEN with the reason in fault. */
enum status identity_of(const struct request *request, const struct settings *settings, struct uuid *user,
                        struct fault *fault) MUST_CHECK;

/* Whether a request that is proved by a cookie comes from a page of this origin or an allowed one: Origin, or without
 * it Sec-Fetch-Site. Else ST_FORBIDDEN (code "origin_mismatch"). */
enum status identity_check_origin(const struct request *request, const struct settings *settings,
                                  struct fault *fault) MUST_CHECK;

#endif
