/* The texts of the named queries; generated from sql/queries into queries.c. Read by pipeline.c, db.c and migrate.c
 * only. */
#ifndef PARLEY_DB_QUERY_TABLE_H
#define PARLEY_DB_QUERY_TABLE_H

#include "db/queries.h"

struct query_text {
    const char *name;
    const char *text;
    unsigned params; /* the highest $n */
};

extern const struct query_text query_table[QUERY_COUNT];

#endif
