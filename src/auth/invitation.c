/*
 * Invitations to a project: signed, not stored.
 *
 * What must stay true: nothing of a text is believed before its signature; and no other text signed with the same
 * secret (an access token's) can pass for one, nor the other way round: what is signed here begins with a name and NUL.
 */
#include "auth/invitation.h"

#include <string.h>

#define PURPOSE "parley invitation"

struct fields {
    unsigned char project[16], owner[16], ends_at[8];
};

struct raw {
    struct fields fields;
    unsigned char mac[CRYPTO_SHA256_LEN];
};

static enum status sign(const struct settings_secret *secret, const struct fields *fields,
                        unsigned char mac[CRYPTO_SHA256_LEN])
{
    unsigned char text[sizeof(PURPOSE) + sizeof(*fields)];
    memcpy(text, PURPOSE, sizeof(PURPOSE));
    memcpy(text + sizeof(PURPOSE), fields, sizeof(*fields));
    return crypto_hmac_sha256(secret->bytes, secret->len, text, sizeof(text), mac);
}

static bool signed_by(const struct settings_secret *secret, const struct raw *raw)
{
    unsigned char mac[CRYPTO_SHA256_LEN];
    return secret->len && sign(secret, &raw->fields, mac) == ST_OK && crypto_equal(mac, raw->mac, sizeof(mac));
}

enum status invitation_sign(const struct settings *settings, const struct invitation *invitation,
                            char text[INVITATION_TEXT_LEN + 1])
{
    struct raw raw;
    uuid_to_bytes(&invitation->project, raw.fields.project);
    uuid_to_bytes(&invitation->owner, raw.fields.owner);
    for (int i = 0; i < 8; i++)
        raw.fields.ends_at[i] = (unsigned char)(invitation->ends_at >> (56 - 8 * i));
    if (sign(&settings->jwt_secret, &raw.fields, raw.mac) != ST_OK)
        return ST_UNAVAILABLE;
    crypto_base64url(&raw, sizeof(raw), text);
    return ST_OK;
}

enum status invitation_verify(const struct settings *settings, const char *text, int64_t now,
                              struct invitation *invitation)
{
    struct raw raw;
    size_t len = strlen(text);
    if (len != INVITATION_TEXT_LEN || crypto_base64url_decode(text, len, &raw, sizeof(raw)) != sizeof(raw) ||
        !(signed_by(&settings->jwt_secret, &raw) || signed_by(&settings->jwt_previous_secret, &raw)))
        return ST_INVALID;
    uint64_t ends_at = 0;
    for (int i = 0; i < 8; i++)
        ends_at = ends_at << 8 | raw.fields.ends_at[i];
    uuid_from_bytes(&invitation->project, raw.fields.project);
    uuid_from_bytes(&invitation->owner, raw.fields.owner);
    invitation->ends_at = (int64_t)ends_at;
    return invitation->ends_at > now ? ST_OK : ST_INVALID;
}
