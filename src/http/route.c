/*
 * Finding the row of the route table that a request means.
 *
 * What must stay true: which row is found does not depend on the order of the table; a path that is known under
 * another method is told from one that is not known at all.
 */
#include "http/route.h"

#include <string.h>

static const char *const method_names[] = {
    [METHOD_GET] = "GET",     [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",       [METHOD_PUT] = "PUT",
    [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS", [METHOD_OTHER] = "OTHER",
};

const char *method_name(enum method method)
{
    return method_names[method];
}

/* Whether the template fits; *literals gets a bit for each segment, the first one highest, set where it is literal. */
static bool path_fits(const char *path, const struct request *request, unsigned *literals)
{
    unsigned found = 0;
    for (unsigned i = 0; i < request->segments; i++) {
        if (*path != '/')
            return false;
        path++;
        size_t n = strcspn(path, "/");
        bool literal = *path != '{';
        if (!n || (literal && (strncmp(path, request->segment[i], n) != 0 || request->segment[i][n])))
            return false;
        found |= (unsigned)literal << (REQUEST_SEGMENTS_MAX - i);
        path += n;
    }
    *literals = found;
    return !*path || (!request->segments && !strcmp(path, "/"));
}

/* The values of the segments in braces. */
static void read_params(const struct request *request, struct route_match *match)
{
    unsigned params = 0;
    const char *path = match->route->path;
    for (unsigned i = 0; i < request->segments && params < ROUTE_PARAMS_MAX; i++) {
        path++;
        if (*path == '{')
            match->param[params++] = request->segment[i];
        path += strcspn(path, "/");
    }
}

/* The methods of all rows that fit, in the order of enum method. */
static void list_methods(const struct route *table, const struct request *request, struct route_match *match)
{
    bool known[METHOD_OTHER + 1] = {false};
    unsigned literals;
    for (const struct route *route = table; route->path; route++) {
        if (path_fits(route->path, request, &literals))
            known[route->method] = true;
    }
    for (enum method method = METHOD_GET; method < METHOD_OTHER; method++) {
        if (!known[method])
            continue;
        size_t n = strlen(match->allow);
        (void)snprintf(match->allow + n, sizeof(match->allow) - n, "%s%s", n ? ", " : "", method_names[method]);
    }
}

enum status route_find(const struct route *table, const struct request *request, struct route_match *match)
{
    enum method method = request->method == METHOD_HEAD ? METHOD_GET : request->method;
    unsigned best = 0;
    unsigned literals;
    *match = (struct route_match){0};
    for (const struct route *route = table; route->path; route++) {
        if (route->method != method || !path_fits(route->path, request, &literals))
            continue;
        if (!match->route || literals > best) {
            match->route = route;
            match->index = (unsigned)(route - table);
            best = literals;
        }
    }
    if (match->route) {
        read_params(request, match);
        return ST_OK;
    }
    list_methods(table, request, match);
    return match->allow[0] ? ST_NOT_ALLOWED : ST_NOT_FOUND;
}

void route_print(const struct route *table, FILE *out)
{
    for (const struct route *route = table; route->path; route++)
        fprintf(out, "%-7s %-56s %-6s %zu\n", method_names[route->method], route->path,
                route->access == ACCESS_USER ? "user" : "anyone", route->body_max);
}
