/*
 * One request, from its parameters to its answer. Knows nothing of FastCGI: tests call it.
 */
#ifndef PARLEY_SERVER_SERVE_H
#define PARLEY_SERVER_SERVE_H

#include "api/api.h"

/* How a request went, for the access log and the metrics. */
struct served {
    unsigned route; /* index in api_routes; ROUTE_NONE when none matched */
    unsigned status;
    int64_t micros;
    const char *method; /* these live as long as the arena; NULL: not known */
    const char *path;   /* without the query */
    struct uuid user;   /* who was found to call; text "" when nobody was */
    struct handover
        handover; /* what a relay is to be given; HANDOVER_TURN and HANDOVER_WATCH take the place of the reply */
};
#define ROUTE_NONE ROUTES_MAX

/* Serves a request: always leaves a complete answer in reply, whatever happens. params, read and source as in
 * request_init. The arena is the caller's, who resets it after sending. Nothing of a failed request is stored; an
 * answer of success is given after its COMMIT. */
void serve(const struct app *app, struct arena *arena, const char *const *params, request_read *read, void *source,
           struct reply *reply, struct served *served);

/* The answer when no relay took the connection: a turn that was begun is ended as failed, the client is told to come
 * again. */
void serve_not_taken(const struct app *app, struct arena *arena, const struct served *served, struct reply *reply);

#endif
