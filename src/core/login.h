/*
 * The login of an e-mail address: found by address, counted, changed. Comparing the password is auth/password's.
 *
 * Each function is a transaction of its own, under the claim it needs; the call's user is not touched.
 */
#ifndef PARLEY_CORE_LOGIN_H
#define PARLEY_CORE_LOGIN_H

#include "core/call.h"

#define LOGIN_ATTEMPTS       10
#define LOGIN_WINDOW_SECONDS (15 * 60)

struct login {
    struct uuid user;
    const char *password_hash; /* NULL: nobody has this address */
};

/* How many attempts an address has in the window: signed out, and for one who is signed in and gives their password
 * again, so that strangers who try cannot keep the owner from changing it. */
#define LOGIN_ATTEMPTS_SIGNED_IN (2 * LOGIN_ATTEMPTS)

/* Counts an attempt, on disk before the password is compared, and answers the login. ST_TOO_MANY "too_many_logins"
 * beyond that many in the window, for unknown addresses alike. */
enum status login_begin(struct call *call, const char *email, int attempts, struct login *login) MUST_CHECK;

/* Whose address it is, without counting an attempt: for the administrator. ST_NOT_FOUND when nobody's. */
enum status login_find(struct call *call, const char *email, struct uuid *user) MUST_CHECK;

/* Takes back the attempt of login_begin when the password was never compared. */
enum status login_untried(struct call *call, const char *email) MUST_CHECK;

/* Forgets the attempts of an address after a success. */
enum status login_succeeded(struct call *call, const char *email) MUST_CHECK;

/* The address of the call's user; ST_UNAUTHENTICATED "user_gone" without one. */
enum status login_address(struct call *call, const char **email) MUST_CHECK;

/* Queues a check that the hash which was compared is still the login's: in the same transaction as what it allows, and
 * before it. ST_UNAUTHENTICATED "invalid_credentials" comes from the run. */
void login_queue_hold(struct call *call, const struct login *login);

/* Queues the new password's hash for the call's user, and signing out all families of refresh tokens. The caller runs
 * the call. */
void login_queue_password(struct call *call, const char *password_hash);

/* Signs the call's user out everywhere. */
enum status login_end_all(struct call *call) MUST_CHECK;

#endif
