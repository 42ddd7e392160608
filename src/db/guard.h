/*
 * Refusing to serve from a database that does not guard its rows.
 *
 * The role that serves must not be superuser, must not have BYPASSRLS, must own nothing in the schema (roles = normal;
 * with roles = single it may own it), and every table of schema parley must have RLS enabled and forced and a policy;
 * every view must be security_invoker; the schema must not be older than the program.
 */
#ifndef PARLEY_DB_GUARD_H
#define PARLEY_DB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct db;
struct arena;
struct settings;

/* ST_OK: safe. ST_FORBIDDEN: unsafe, *reason names the table or role and what to do. ST_UNAVAILABLE: could not be
 * asked. */
enum status guard_check(struct db *db, struct arena *arena, const struct settings *settings,
                        const char **reason) MUST_CHECK;

#endif
