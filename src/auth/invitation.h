/*
 * Invitations to a project: signed, not stored.
 *
 * base64url of project id, owner's id (16 bytes each), the second it ends, the project's round of invitations (8 bytes
 * each, big-endian), and the HMAC-SHA-256 of these under the secret of access tokens. Who holds one may join until it
 * ends, as often as they like; when the owner removes a member, the next round begins and ends all that were given out.
 */
#ifndef PARLEY_AUTH_INVITATION_H
#define PARLEY_AUTH_INVITATION_H

#include <stdint.h>

#include "base/crypto.h"
#include "base/settings.h"
#include "base/status.h"
#include "base/uuid.h"

#define INVITATION_SECONDS  (7 * 86400)
#define INVITATION_TEXT_LEN CRYPTO_BASE64_LEN(16 + 16 + 8 + 8 + CRYPTO_SHA256_LEN)

struct invitation {
    struct uuid project, owner;
    int64_t ends_at; /* seconds since the epoch */
    int64_t round;   /* for who lets people join to compare */
};

/* The text of an invitation; ST_UNAVAILABLE when the library fails. */
enum status invitation_sign(const struct settings *settings, const struct invitation *invitation,
                            char text[INVITATION_TEXT_LEN + 1]) MUST_CHECK;

/* Reads a text that is signed by the present or the previous secret and has not ended at now; else ST_INVALID. */
enum status invitation_verify(const struct settings *settings, const char *text, int64_t now,
                              struct invitation *invitation) MUST_CHECK;

#endif
