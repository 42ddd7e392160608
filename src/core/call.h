/*
 * A call: who asks, and the one transaction that is done on their behalf. Every function of core takes one.
 *
 * What core does is queue statements on call->tx and run it; so a call is one transaction, unless a function's header
 * says otherwise.
 */
#ifndef PARLEY_CORE_CALL_H
#define PARLEY_CORE_CALL_H

#include "base/arena.h"
#include "base/settings.h"
#include "base/status.h"
#include "base/uuid.h"
#include "db/db.h"

struct call {
    struct arena *arena;
    struct db *db;
    const struct settings *settings;
    struct uuid user; /* who asks; "" when nobody has proved to be anybody */
    struct db_tx tx;
    enum db_end end;              /* DB_HOLD while an idempotency key waits for the answer */
    const struct db_rows *report; /* of the quota, queued on tx (core/quota.h); NULL: none */
    int64_t reported;             /* what it answered, once it was committed; 0: it was not */
    struct fault fault;
};

/* A call by nobody yet. */
void call_init(struct call *call, struct arena *arena, struct db *db, const struct settings *settings);

/* The call is this user's: the claim of its transaction. */
void call_set_user(struct call *call, const struct uuid *user);

/* Runs what was queued. ST_OK: the rows are there, and stored (or held, see end). */
enum status call_run(struct call *call) MUST_CHECK;

/* The same, but the transaction stays open for what comes next; how it is to end stays as it was. */
enum status call_run_on(struct call *call) MUST_CHECK;

/* Starts another transaction of the same caller, for the few calls that need two. */
void call_next(struct call *call);

#endif
