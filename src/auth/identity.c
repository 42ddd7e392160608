/* Who calls: the one place where a request's proof becomes a user id. */
#include "auth/identity.h"

#include <string.h>
#include <strings.h>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "http/request.h"

/* The front server's word, where the administrator has switched that on and the shared secret fits. */
static bool by_front_server(const struct request *request, const struct settings *settings, struct uuid *user)
{
    if (!settings->trusted_header)
        return false;
    const struct settings_secret *secret = &settings->trusted_header_secret;
    const char *given = request_header(request, "X-Proxy-Secret");
    const char *name = request_header(request, "X-User-ID");
    return given && name && secret->len > 0 && strlen(given) == secret->len &&
           crypto_equal(given, secret->bytes, secret->len) && uuid_parse(user, name);
}

static enum status by_token(const struct request *request, const struct settings *settings, struct uuid *user,
                            struct fault *fault)
{
    const char *header = request_header(request, "Authorization");
    if (!header || strncasecmp(header, "Bearer ", 7) != 0)
        return fault_set(fault, ST_UNAUTHENTICATED, NULL, "An access token is needed: Authorization: Bearer ...");
    const char *token = header + 7 + strspn(header + 7, " ");
    return jwt_verify(request->arena, settings, token, clock_real_ms() / 1000, user, fault);
}

enum status identity_of(const struct request *request, const struct settings *settings, struct uuid *user,
                        struct fault *fault)
{
    if (by_front_server(request, settings, user))
        return ST_OK;
    enum status status = by_token(request, settings, user, fault);
    if (status != ST_OK)
        return status;
    /* A user id beside the token is a claim like any other: it must agree with the proof. */
    struct uuid named;
    const char *header = request_header(request, "X-User-ID");
    if (header && (!uuid_parse(&named, header) || strcmp(named.text, user->text) != 0))
        return fault_set(fault, ST_FORBIDDEN, "user_mismatch", "X-User-ID is not the token's user.");
    return ST_OK;
}

/* Whether origin stands in the space-separated list. */
static bool listed(const char *list, const char *origin)
{
    size_t len = strlen(origin);
    for (const char *at = list; at && *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == len && strncasecmp(at, origin, len) == 0)
            return true;
        at += word;
    }
    return false;
}

enum status identity_check_origin(const struct request *request, const struct settings *settings, struct fault *fault)
{
    const char *origin = request_header(request, "Origin");
    const char *own = request_origin(request);
    if (origin && ((own && strcasecmp(origin, own) == 0) || listed(settings->allowed_origins, origin)))
        return ST_OK;
    const char *site = request_header(request, "Sec-Fetch-Site");
    if (!origin && site && strcmp(site, "same-origin") == 0)
        return ST_OK;
    return fault_set(fault, ST_FORBIDDEN, "origin_mismatch", "A cookie counts only from a page of this site.");
}
