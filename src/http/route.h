/*
 * Finding the row of the route table that a request means.
 *
 * A path is a template, "/api/v1/sessions/{id}/messages"; a segment in braces matches any one non-empty segment. Tables
 * are arrays that end with a row whose path is NULL. Literal segments win over braces.
 */
#ifndef PARLEY_HTTP_ROUTE_H
#define PARLEY_HTTP_ROUTE_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
#include "http/request.h"

#define ROUTE_PARAMS_MAX 4
#define ROUTES_MAX       128

struct api;

enum access {
    ACCESS_ANYONE, /* no token is asked for */
    ACCESS_USER,   /* a valid access token */
};

enum route_flags {
    ROUTE_IDEMPOTENT_KEY = 1, /* creates something: Idempotency-Key is honoured */
    ROUTE_READ_ONLY = 2,      /* its transaction only reads */
    ROUTE_UNCOUNTED = 4,      /* outside the request quota: health and metrics */
    ROUTE_ANY_TYPE = 8,       /* a JSON body is taken whatever its Content-Type says */
};

struct route {
    enum method method;
    const char *path;
    enum access access;
    size_t body_max; /* bytes; 0: a body is refused with 413 unless it is empty */
    unsigned flags;
    enum status (*handler)(struct api *api);
};

/* The route, its index in the table, and the values of the segments in braces, in order. ST_NOT_FOUND, or
 * ST_NOT_ALLOWED with the methods the path knows in allow
 * ("GET, POST"). HEAD finds GET's row. */
struct route_match {
    const struct route *route;
    unsigned index;
    const char *param[ROUTE_PARAMS_MAX];
    char allow[64];
};
enum status route_find(const struct route *table, const struct request *request, struct route_match *match) MUST_CHECK;

/* Prints the table, a line a route: method, path, access, body limit. */
void route_print(const struct route *table, FILE *out);

const char *method_name(enum method method);

#endif
