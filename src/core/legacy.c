/*
 * What another application kept, written here.
 *
 * What must stay true: an address and an id in a table prove nothing, so that data comes into an account which was not
 * made by an import of the same source only when that was asked for, and never into a session or a project that such an
 * import has not made.
 */
#include "core/legacy.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "core/login.h"

#define EMAIL_MAX       254
#define NAME_MAX        200
#define AVATAR_URL_MAX  2048
#define DESCRIPTION_MAX 10000

enum status legacy_id(const char *source, const char *kind, const char *id, struct uuid *uuid)
{
    if (uuid_parse(uuid, id))
        return ST_OK;
    /* Each part by its own hash, so that no two lists of parts are the same bytes. */
    const char *const parts[] = {source, kind, id};
    unsigned char digests[3][CRYPTO_SHA256_LEN], digest[CRYPTO_SHA256_LEN];
    enum status status = ST_OK;
    for (unsigned i = 0; i < 3 && status == ST_OK; i++)
        status = crypto_sha256(parts[i], strlen(parts[i]), digests[i]);
    if (status == ST_OK)
        status = crypto_sha256(digests, sizeof(digests), digest);
    if (status != ST_OK)
        return status;
    digest[6] = (digest[6] & 0x0F) | 0x80;
    digest[8] = (digest[8] & 0x3F) | 0x80;
    uuid_from_bytes(uuid, digest);
    return ST_OK;
}

/* A new transaction of this person. */
static struct call *as_user(struct legacy *legacy, const struct uuid *user)
{
    call_next(legacy->call);
    call_set_user(legacy->call, user);
    return legacy->call;
}

/* The address in lower case, or NULL when there is none that could be one. */
static const char *clean_email(struct arena *arena, const char *email)
{
    char *clean = email && strlen(email) <= EMAIL_MAX ? arena_strdup(arena, email) : NULL;
    for (char *c = clean; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return clean && pattern_matches(PATTERN_EMAIL, clean) ? clean : NULL;
}

/* At most so many characters of it; NULL for what is empty or not UTF-8. */
static const char *clean_text(struct arena *arena, const char *text, size_t characters)
{
    size_t n = text ? strlen(text) : 0;
    return n && utf8_valid(text, n) ? arena_strndup(arena, text, utf8_prefix(text, n, characters)) : NULL;
}

/* What is known of a person. */
struct standing {
    bool here;    /* they have an account */
    bool known;   /* as the owner of that id there */
    bool brought; /* by that id, however it is spelled */
};

static enum status look_up(struct legacy *legacy, const struct uuid *user, const char *id, struct standing *standing)
{
    struct call *call = as_user(legacy, user);
    call->tx.read_only = true;
    const struct db_rows *rows = db_add(&call->tx, QUERY_LEGACY_OWNER, call->user.text, legacy->source, id);
    enum status status = call_run(call);
    if (status == ST_OK)
        *standing = (struct standing){row_bool(rows, 0, 0), row_bool(rows, 0, 1), row_bool(rows, 0, 3)};
    return status;
}

static enum status add_owner(struct legacy *legacy, const struct uuid *user, const struct legacy_person *person,
                             const char *email)
{
    if (legacy->dry_run)
        return ST_OK;
    struct call *call = as_user(legacy, user);
    bool has_avatar = person->avatar_url && strlen(person->avatar_url) <= AVATAR_URL_MAX;
    const char *avatar = has_avatar ? clean_text(call->arena, person->avatar_url, AVATAR_URL_MAX) : NULL;
    db_add(&call->tx, QUERY_LEGACY_OWNER_ADD, call->user.text, legacy->source, person->id, email,
           clean_text(call->arena, person->display_name, NAME_MAX), avatar, person->created_at);
    return call_run(call);
}

/* Whose address it is, if it is an account's; owner->kind says what that means. */
static enum status match_address(struct legacy *legacy, const struct legacy_person *person, const char *email,
                                 struct legacy_owner *owner)
{
    struct uuid found;
    struct standing standing = {0};
    enum status status = login_find(legacy->call, email, &found);
    if (status == ST_NOT_FOUND) {
        legacy->call->fault = (struct fault){0};
        return ST_OK;
    }
    if (status == ST_OK)
        status = look_up(legacy, &found, person->id, &standing);
    if (status != ST_OK)
        return status;
    owner->user = found;
    owner->kind = standing.known        ? LEGACY_OWNER_THERE
                  : legacy->match_email ? LEGACY_OWNER_MATCHED
                                        : LEGACY_OWNER_EMAIL_TAKEN;
    return ST_OK;
}

bool legacy_owner_is_skipped(const struct legacy_owner *owner)
{
    return owner->kind == LEGACY_OWNER_EMAIL_TAKEN || owner->kind == LEGACY_OWNER_ID_TAKEN;
}

enum status legacy_owner_open(struct legacy *legacy, const struct legacy_person *person, struct legacy_owner *owner)
{
    struct standing standing = {0};
    const char *email = clean_email(legacy->call->arena, person->email);
    *owner = (struct legacy_owner){.kind = LEGACY_OWNER_NEW, .bad_email = person->email && *person->email && !email};
    enum status status = legacy_id(legacy->source, "user", person->id, &owner->user);
    if (status == ST_OK)
        status = look_up(legacy, &owner->user, person->id, &standing);
    if (status == ST_OK && standing.here)
        owner->kind = standing.brought   ? LEGACY_OWNER_THERE
                      : legacy->match_id ? LEGACY_OWNER_MATCHED_ID
                                         : LEGACY_OWNER_ID_TAKEN;
    else if (status == ST_OK && email)
        status = match_address(legacy, person, email, owner);
    if (status == ST_OK && !standing.known && !legacy_owner_is_skipped(owner))
        status = add_owner(legacy, &owner->user, person, email);
    if (status == ST_OK)
        as_user(legacy, &owner->user);
    return status;
}

enum status legacy_project(struct legacy *legacy, const struct legacy_project *project, bool *added)
{
    struct call *call = legacy->call;
    struct uuid id, owner;
    enum status status = legacy_id(legacy->source, "v1 project", project->id, &id);
    if (status == ST_OK && project->owner)
        status = legacy_id(legacy->source, "user", project->owner, &owner);
    if (status != ST_OK)
        return status;
    const char *name = clean_text(call->arena, project->name, NAME_MAX);
    const char *description = clean_text(call->arena, project->description, DESCRIPTION_MAX);
    call_next(call);
    call->tx.read_only = legacy->dry_run;
    const struct db_rows *rows =
        legacy->dry_run
            ? db_add(&call->tx, QUERY_LEGACY_PROJECT_PRESENT, call->user.text, id.text)
            : db_add(&call->tx, QUERY_LEGACY_PROJECT, call->user.text, id.text, project->owner ? owner.text : NULL,
                     name ? name : "Project", description, project->created_at, legacy->source);
    status = call_run(call);
    if (status == ST_OK)
        *added = row_bool(rows, 0, 0) != legacy->dry_run;
    return status;
}

enum status legacy_tokens(struct legacy *legacy, const char *owner_id, const char *total, int64_t *added)
{
    struct call *call = legacy->call;
    call_next(call);
    call->tx.read_only = legacy->dry_run;
    const struct db_rows *rows =
        legacy->dry_run ? db_add(&call->tx, QUERY_LEGACY_OWNER, call->user.text, legacy->source, owner_id)
                        : db_add(&call->tx, QUERY_LEGACY_TOKENS, call->user.text, legacy->source, owner_id, total);
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    *added = legacy->dry_run ? strtoll(total, NULL, 10) - row_int(rows, 0, 2) : row_int(rows, 0, 0);
    *added = *added > 0 ? *added : 0;
    return ST_OK;
}

enum status legacy_store(struct legacy *legacy, const char *sessions, const char *messages,
                         struct legacy_stored *stored)
{
    struct call *call = legacy->call;
    call_next(call);
    call->tx.read_only = legacy->dry_run;
    const char *user = call->user.text, *source = legacy->source;
    const struct db_rows *made = legacy->dry_run ? db_add(&call->tx, QUERY_LEGACY_SESSIONS_ABSENT, user, sessions)
                                                 : db_add(&call->tx, QUERY_LEGACY_SESSIONS, user, sessions, source);
    const struct db_rows *said = db_add(
        &call->tx, legacy->dry_run ? QUERY_LEGACY_MESSAGES_ABSENT : QUERY_LEGACY_MESSAGES, user, messages, source);
    const struct db_rows *foreign_sessions = db_add(&call->tx, QUERY_LEGACY_FOREIGN, user, sessions, source);
    const struct db_rows *foreign_messages = db_add(&call->tx, QUERY_LEGACY_FOREIGN, user, messages, source);
    enum status status = call_run(call);
    if (status == ST_OK)
        *stored = (struct legacy_stored){row_int(made, 0, 0), row_int(said, 0, 0), foreign_sessions, foreign_messages};
    return status;
}

enum status legacy_claim(struct call *call, const char *email, const char *password_hash)
{
    db_add(&call->tx, QUERY_LEGACY_CLAIM, call->user.text, email, password_hash);
    return call_run(call);
}
