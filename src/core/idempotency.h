/*
 * Idempotency keys: a request that is sent twice is done once and answered twice.
 *
 * The key is claimed first in the request's own transaction, and its answer is stored last in it; so an answer is kept
 * exactly when the work was done. In between the transaction is held open for the microseconds in which the answer is
 * written.
 */
#ifndef PARLEY_CORE_IDEMPOTENCY_H
#define PARLEY_CORE_IDEMPOTENCY_H

#include "core/call.h"

struct idempotency_answer {
    unsigned status;
    const char *location; /* NULL: none */
    const char *body;
};

/* Queues claiming the key for a request (its hash: hexadecimal SHA-256) and lets the call hold its transaction. The run
 * then refuses with fault.code "idempotency_key_reused" (ST_UNPROCESSABLE), or with "idempotency_replay" when
 * idempotency_replay has the answer. */
void idempotency_queue_begin(struct call *call, const char *key, const char *request_hash);

/* Stores the answer and commits everything. */
enum status idempotency_finish(struct call *call, const char *key, const struct idempotency_answer *answer) MUST_CHECK;

/* Reads the stored answer, in a transaction of its own. */
enum status idempotency_replay(struct call *call, const char *key, struct idempotency_answer *answer) MUST_CHECK;

#endif
