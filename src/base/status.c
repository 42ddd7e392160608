/* The error vocabulary: what each status is called in HTTP and in a problem document. One row a status. */
#include "base/status.h"

#include <stddef.h>
#include <string.h>

static const struct {
    unsigned http;
    const char *code;
} statuses[] = {
    [ST_OK] = {200, "ok"},
    [ST_INVALID] = {400, "invalid_request"},
    [ST_UNAUTHENTICATED] = {401, "unauthenticated"},
    [ST_FORBIDDEN] = {403, "forbidden"},
    [ST_NOT_FOUND] = {404, "not_found"},
    [ST_NOT_ALLOWED] = {405, "method_not_allowed"},
    [ST_CONFLICT] = {409, "conflict"},
    [ST_TOO_LARGE] = {413, "too_large"},
    [ST_UNSUPPORTED] = {415, "unsupported_media_type"},
    [ST_UNPROCESSABLE] = {422, "unprocessable"},
    [ST_TOO_MANY] = {429, "too_many_requests"},
    [ST_UNAVAILABLE] = {503, "unavailable"},
    [ST_INTERNAL] = {500, "internal"},
};
_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == ST_INTERNAL + 1, "a row for every status");

enum status fault_set(struct fault *fault, enum status status, const char *code, const char *detail)
{
    fault->code = code;
    fault->detail = detail;
    return status;
}

enum status fault_field(struct fault *fault, const char *field, const char *message)
{
    for (unsigned i = 0; i < fault->fields; i++)
        if (strcmp(fault->field[i].field, field) == 0)
            return ST_INVALID;
    if (fault->fields < FAULT_FIELDS_MAX)
        fault->field[fault->fields++] = (struct fault_field){.field = field, .message = message};
    return ST_INVALID;
}

unsigned status_http(enum status status)
{
    return statuses[status].http;
}

const char *status_code(enum status status)
{
    return statuses[status].code;
}
