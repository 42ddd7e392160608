/* How asking a model can fail: every code and sentence for it, once. */
#ifndef PARLEY_RELAY_MODEL_FAILURE_H
#define PARLEY_RELAY_MODEL_FAILURE_H

#include <stdbool.h>
#include <stddef.h>

enum model_failure {
    MODEL_OK,
    MODEL_UNREACHABLE,
    MODEL_UNPROVEN,    /* its certificate does not hold */
    MODEL_SILENT,      /* no first byte in time */
    MODEL_STALLED,     /* no further byte in time */
    MODEL_SLOW,        /* no end in time */
    MODEL_CUT,         /* the body ended before the answer */
    MODEL_GARBLED,     /* no answer that can be read */
    MODEL_REPORTED,    /* an error in place of the answer */
    MODEL_BROKEN,      /* 5xx */
    MODEL_BUSY,        /* 429 */
    MODEL_REFUSED,     /* other 4xx */
    MODEL_KEY_REFUSED, /* 401, 403 */
    MODEL_NOT_FOUND,   /* 404 */
    MODEL_MOVED,       /* 3xx */
    MODEL_OVERFED,     /* the question is too long */
    MODEL_TOO_LONG,    /* the answer is */
    MODEL_NO_MEMORY,
    MODEL_FAILURES
};

/* The stable code and a sentence of ours. */
const char *model_failure_code(enum model_failure failure);
const char *model_failure_message(enum model_failure failure);

/* What a status that is not 2xx means, with n bytes of its body. */
enum model_failure model_failure_of_status(long status, const char *body, size_t n);

/* Whether it is worth asking once more. */
bool model_failure_may_pass(long status);

/* Whether the server refuses the wish for usage, so that it should be asked without. */
bool model_failure_is_of_usage(long status, const char *body, size_t n);

#endif
