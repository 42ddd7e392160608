/*
 * Bringing a database to the schema this program was built with.
 *
 * The SQL is inside the program. Numbered migrations run once each, in order, a transaction each, and their SHA-256 is
 * kept: a changed old one is an error. Functions, policies and views are replaced in one transaction whenever their
 * common hash changed, a migration was applied, or a table's guard is found switched off. An advisory lock keeps two
 * runs apart. In the SQL, the token :app stands for the quoted name of the role that serves (settings.app_role, or the
 * connected role with roles = single).
 */
#ifndef PARLEY_DB_MIGRATE_H
#define PARLEY_DB_MIGRATE_H

#include <stdio.h>

#include "base/status.h"

struct settings;

/* Connects as libpq is told (the owner's role), migrates, says each step on out. Errors are said on stderr.
 * ST_FORBIDDEN: all was run, yet a table of the schema is not guarded. */
enum status migrate_run(const struct settings *settings, FILE *out) MUST_CHECK;

/* The number of the newest migration in the program. */
int migrate_newest(void);

#endif
