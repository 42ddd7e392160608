/*
 * The one decoder of addresses: REQUEST_URI into path segments and query parameters.
 *
 * What must stay true: nobody else decodes a path; each byte is decoded once; what comes out is valid UTF-8 without
 * control characters.
 */
#ifndef PARLEY_HTTP_URI_H
#define PARLEY_HTTP_URI_H

#include "base/status.h"

struct request;

/* Fills path, segments and queries of *request from a raw origin-form URI ("/a/b?c=d"). The path for the log is set
 * whatever the answer is. ST_INVALID: not origin-form, or what request.h refuses; ST_TOO_LARGE: over REQUEST_URI_MAX;
 * ST_NOT_FOUND: an empty segment inside or too many of them; ST_UNAVAILABLE: memory is out. But for ST_OK there are no
 * segments and no queries. */
enum status uri_read(struct request *request, const char *uri, struct fault *fault) MUST_CHECK;

#endif
