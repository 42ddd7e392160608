/* What an SQLSTATE means to the program. */
#ifndef PARLEY_DB_SQLSTATE_H
#define PARLEY_DB_SQLSTATE_H

#include "base/status.h"

/*
 * PA4xx   the status of that number (raised by sql/functions)
 * 23503   ST_NOT_FOUND: a row that is named is not there   23505   ST_CONFLICT   23514, 22xxx   ST_INVALID
 * 40001, 40P01, 55P03, 57014, 57P0x, 53xxx, 08xxx, 25P0x   ST_UNAVAILABLE
 * anything else (42xxx above all)   ST_INTERNAL
 */
enum status sqlstate_status(const char *sqlstate);

/* Whether the same transaction may succeed when it is run again at once (40001, 40P01). */
int sqlstate_retry(const char *sqlstate);

#endif
