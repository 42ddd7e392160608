/*
 * What a handler gets: the request, the answer to write, and the call in which core does the work.
 *
 * A handler reads the input (api/fields.h), calls core, writes the answer, and returns; on anything but ST_OK the
 * answer is made into a problem from call.fault. Authentication, quotas, idempotency and limits are done before it, by
 * server/serve.c, from the route table.
 */
#ifndef PARLEY_API_API_H
#define PARLEY_API_API_H

#include "core/call.h"
#include "core/handover.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"

struct metrics;

/* What lives as long as the process. */
struct app {
    const struct settings *settings;
    struct db *db;
    struct metrics *metrics; /* NULL in tests */
    /* Writes the metrics of all processes as Prometheus text; set by server, so that api need not know how they are
     * kept. */
    void (*metrics_write)(struct metrics *metrics, struct buf *out);
};

struct api {
    const struct app *app;
    struct request *request;
    struct reply *reply;
    struct route_match match;
    struct call call;
    const struct json *body;  /* parsed by fields_body */
    struct handover handover; /* kind HANDOVER_NONE: the answer is in reply alone */
};

/* THE table: every path that can be called, in api/routes.c. Ends with a row whose path is NULL. */
extern const struct route api_routes[];

#endif
