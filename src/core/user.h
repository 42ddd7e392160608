/* People: signing up, what they call themselves, leaving. */
#ifndef PARLEY_CORE_USER_H
#define PARLEY_CORE_USER_H

#include "core/call.h"

struct user {
    struct uuid id;
    const char *email; /* NULL: not asked for */
    const char *display_name, *avatar_url;
    const char *created_at, *updated_at;
};

struct user_new {
    const char *email; /* lower case */
    const char *password_hash;
    const char *display_name, *avatar_url; /* NULL: none */
};

/* What is wanted of a change; a field that is not set stays. */
struct user_change {
    bool set_display_name, set_avatar_url;
    const char *display_name, *avatar_url;
};

/* Signs up the call's user, whose id the caller made. What the caller queued on the call before (a refresh token, after
 * this in order) is part of the same transaction, so it queues and does not run: user_created reads the answer once the
 * call ran. ST_CONFLICT "email_taken" comes from the run. */
const struct db_rows *user_queue_create(struct call *call, const struct user_new *new_user);
void user_created(const struct db_rows *rows, const char *email, struct user *user);

/* The call's user with their address. ST_UNAUTHENTICATED "user_gone" when the account was removed. */
enum status user_get(struct call *call, struct user *user) MUST_CHECK;

enum status user_update(struct call *call, const struct user_change *change, struct user *user) MUST_CHECK;

/* Removes the call's user and everything that is theirs. */
enum status user_delete(struct call *call) MUST_CHECK;

#endif
