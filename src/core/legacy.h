/*
 * What another application kept, written here: its people, projects, sessions and messages.
 *
 * Ids that are uuids are kept; any other is made into one (version 8) from the source's name, the kind of thing and
 * the id there, so that the same thing is always found again. Everything here may be done twice: what is there already
 * stays.
 *
 * Each function is a transaction of its own under the claim of the person concerned. With legacy->dry_run nothing is
 * written, and the answers are what they would be.
 */
#ifndef PARLEY_CORE_LEGACY_H
#define PARLEY_CORE_LEGACY_H

#include "core/call.h"

#define LEGACY_SOURCE_MAX 200 /* characters */
#define LEGACY_ID_MAX     400 /* bytes */

struct legacy {
    struct call *call;
    const char *source;
    bool dry_run;
    bool match_email; /* an address of an account here means its person */
    bool match_id;    /* and so does the uuid of one */
};

/* The id of a thing here. ST_UNAVAILABLE: it could not be hashed. */
enum status legacy_id(const char *source, const char *kind, const char *id, struct uuid *uuid) MUST_CHECK;

/* As the other database tells of them; all but the id may be NULL. */
struct legacy_person {
    const char *id, *email, *display_name, *avatar_url, *created_at;
};

enum legacy_owner_kind {
    LEGACY_OWNER_NEW,
    LEGACY_OWNER_THERE,       /* imported before from this source */
    LEGACY_OWNER_MATCHED,     /* the account of their address */
    LEGACY_OWNER_MATCHED_ID,  /* the account of their uuid */
    LEGACY_OWNER_EMAIL_TAKEN, /* skipped: their address is an account's, and match_email is off */
    LEGACY_OWNER_ID_TAKEN,    /* skipped: their uuid is that of an account that was not imported from this source, and
                                 match_id is off */
};

struct legacy_owner {
    enum legacy_owner_kind kind;
    struct uuid user; /* not of one who is skipped */
    bool bad_email;   /* there is an address, but it is none */
};

/* Whether it is one of those that are skipped. */
bool legacy_owner_is_skipped(const struct legacy_owner *owner);

/* Finds or makes the account of somebody who owns data there. */
enum status legacy_owner_open(struct legacy *legacy, const struct legacy_person *person,
                              struct legacy_owner *owner) MUST_CHECK;

/* The following act as legacy->call->user, whom legacy_owner_open has told. */

/* owner: the id there of whose project it is; NULL: the person's own. Where that owner's account here is another than
 * the one made for them, or the project is not one that this source has brought, the member gets one of their own. */
struct legacy_project {
    const char *id, *owner, *name, *description, *created_at;
};
enum status legacy_project(struct legacy *legacy, const struct legacy_project *project, bool *added) MUST_CHECK;

/* Counts the tokens used there up to now; *added is what was not counted before. */
enum status legacy_tokens(struct legacy *legacy, const char *owner_id, const char *total, int64_t *added) MUST_CHECK;

/* Stores sessions and then messages, as JSON arrays of what sql/functions/legacy.sql names; tells how many of each are
 * new. A session that is there already stays as it is, without the messages, unless this source has brought it: foreign
 * has a row with the session's id for each such session and for each message of one, until the call is used again. */
struct legacy_stored {
    int64_t sessions, messages;
    const struct db_rows *foreign_sessions, *foreign_messages;
};
enum status legacy_store(struct legacy *legacy, const char *sessions, const char *messages,
                         struct legacy_stored *stored) MUST_CHECK;

/* Gives an imported owner a login. ST_NOT_FOUND: the call's user was not imported; ST_CONFLICT: they have a login that
 * works, or the address is another's. */
enum status legacy_claim(struct call *call, const char *email, const char *password_hash) MUST_CHECK;

#endif
