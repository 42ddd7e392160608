/*
 * How asking a model can fail.
 *
 * What must stay true: codes are stable; no text of the server's gets into a sentence.
 */
#include "relay/model_failure.h"

#include <string.h>

static const struct {
    const char *code, *message;
} failures[MODEL_FAILURES] = {
    [MODEL_UNREACHABLE] = {"model_unreachable", "The model server cannot be reached."},
    [MODEL_UNPROVEN] = {"model_unreachable", "The model server's certificate does not prove who it is."},
    [MODEL_SILENT] = {"model_timeout", "The model server did not begin to answer in time."},
    [MODEL_STALLED] = {"model_timeout", "The model server stopped in the middle of the answer."},
    [MODEL_SLOW] = {"model_timeout", "The model took too long for the whole answer."},
    [MODEL_CUT] = {"model_cut", "The model server broke off in the middle of the answer."},
    [MODEL_GARBLED] = {"model_garbled", "The model server sent something that is no answer."},
    [MODEL_REPORTED] = {"model_error", "The model server reported an error."},
    [MODEL_BROKEN] = {"model_error", "The model server failed."},
    [MODEL_BUSY] = {"model_rate_limited", "The model server has too much to do."},
    [MODEL_REFUSED] = {"model_refused", "The model server refused the request."},
    [MODEL_KEY_REFUSED] = {"model_refused", "The model server refused the key: look at model_key_file."},
    [MODEL_NOT_FOUND] = {"model_refused",
                         "The model server knows no such address or model: look at model_url and model_name."},
    [MODEL_MOVED] = {"model_refused", "The model server points elsewhere, which is not followed: look at model_url."},
    [MODEL_OVERFED] = {"model_refused", "The session is too long for the model: look at history_tokens."},
    [MODEL_TOO_LONG] = {"answer_too_long", "The answer is longer than is allowed here."},
    [MODEL_NO_MEMORY] = {"model_error", "There is no memory to ask the model."},
};

const char *model_failure_code(enum model_failure failure)
{
    return failures[failure].code;
}

const char *model_failure_message(enum model_failure failure)
{
    return failures[failure].message;
}

static bool mentions(const char *body, size_t n, const char *word)
{
    return n && memmem(body, n, word, strlen(word));
}

enum model_failure model_failure_of_status(long status, const char *body, size_t n)
{
    if (status >= 500)
        return MODEL_BROKEN;
    if (status < 400)
        return MODEL_MOVED;
    if (status == 401 || status == 403)
        return MODEL_KEY_REFUSED;
    if (status == 404)
        return MODEL_NOT_FOUND;
    if (status == 429)
        return MODEL_BUSY;
    return status == 413 || mentions(body, n, "context_length") ? MODEL_OVERFED : MODEL_REFUSED;
}

bool model_failure_may_pass(long status)
{
    return status == 500 || status == 502 || status == 503;
}

bool model_failure_is_of_usage(long status, const char *body, size_t n)
{
    return (status == 400 || status == 422) &&
           (mentions(body, n, "stream_options") || mentions(body, n, "include_usage"));
}
