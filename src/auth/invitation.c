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
    unsigned char project[16], owner[16], ends_at[8], round[8];
};

struct raw {
    struct fields fields;
    unsigned char mac[CRYPTO_SHA256_LEN];
};

static void write_number(int64_t number, unsigned char bytes[8])
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)number >> (56 - 8 * i));
}

static int64_t read_number(const unsigned char bytes[8])
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return (int64_t)number;
}

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
    write_number(invitation->ends_at, raw.fields.ends_at);
    write_number(invitation->round, raw.fields.round);
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
    uuid_from_bytes(&invitation->project, raw.fields.project);
    uuid_from_bytes(&invitation->owner, raw.fields.owner);
    invitation->ends_at = read_number(raw.fields.ends_at);
    invitation->round = read_number(raw.fields.round);
    return invitation->ends_at > now ? ST_OK : ST_INVALID;
}
