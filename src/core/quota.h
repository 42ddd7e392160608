/*
 * The quota of requests a minute, without a write a request.
 *
 * Each process counts a person's requests itself and reports them to the database in blocks of a tenth of the limit,
 * inside the transaction of the request that fills a block, or after it when that request failed; the database keeps
 * the sum of all processes and hosts and refuses beyond the limit. So somebody who makes fewer requests than a block
 * costs nothing, and somebody over the limit is stopped at most one block a process late.
 *
 * The counts live in a small fixed table; where it is crowded people push one another out, which forgets at most a
 * block. Who meets whom there is not to be guessed.
 */
#ifndef PARLEY_CORE_QUOTA_H
#define PARLEY_CORE_QUOTA_H

#include "core/call.h"

struct quota_place;

struct quota {
    unsigned limit; /* 0: no limit, nothing was counted */
    unsigned remaining;
    unsigned reset;            /* seconds until the minute is over */
    bool report;               /* whether one was queued on the call */
    struct quota_place *place; /* quota.c's own */
};

/* Counts a request of the call's user; queues the report of a full block on the call. ST_TOO_MANY when the limit is
 * known to be passed. */
enum status quota_count(struct call *call, struct quota *quota) MUST_CHECK;

/* Takes note of what the report answered, once the call has run with the given status. A report that went down with its
 * request is sent again, in a transaction of its own: what the call held is rolled back, its fault stays. */
void quota_settle(struct call *call, struct quota *quota, enum status status);

#endif
