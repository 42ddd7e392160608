/* What a person has used so far. */
#ifndef PARLEY_CORE_USAGE_H
#define PARLEY_CORE_USAGE_H

#include "core/call.h"

struct usage {
    int64_t sessions, messages; /* not hidden, on active paths */
    int64_t prompt_tokens, completion_tokens, total_tokens;
    bool tokens_estimated; /* some of them */
    const char *since, *updated_at;
};

/* ST_UNAUTHENTICATED "user_gone" when the account was removed. */
enum status usage_get(struct call *call, struct usage *usage) MUST_CHECK;

#endif
