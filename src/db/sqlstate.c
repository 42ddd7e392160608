/* From SQLSTATE to status. What must stay true: what nobody thought of is this program's defect, never the caller's. */
#include "db/sqlstate.h"

#include <stddef.h>
#include <string.h>

/* The first entry that the SQLSTATE begins with decides. */
static const struct {
    const char *prefix;
    enum status status;
} meanings[] = {
    {"PA400", ST_INVALID},     {"PA401", ST_UNAUTHENTICATED}, {"PA403", ST_FORBIDDEN},     {"PA404", ST_NOT_FOUND},
    {"PA409", ST_CONFLICT},    {"PA413", ST_TOO_LARGE},       {"PA422", ST_UNPROCESSABLE}, {"PA429", ST_TOO_MANY},
    {"23503", ST_NOT_FOUND},   {"23505", ST_CONFLICT},        {"23514", ST_INVALID},       {"22", ST_INVALID},
    {"40001", ST_UNAVAILABLE}, {"40P01", ST_UNAVAILABLE},     {"55P03", ST_UNAVAILABLE}, /* lock_timeout */
    {"57014", ST_UNAVAILABLE},                           /* statement_timeout, or cancelled */
    {"57P0", ST_UNAVAILABLE},                            /* the server goes down, or comes up */
    {"53", ST_UNAVAILABLE},                              /* disk, memory or connections are out */
    {"08", ST_UNAVAILABLE},    {"25P0", ST_UNAVAILABLE}, /* idle in a transaction for too long */
};

enum status sqlstate_status(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
        if (!strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)))
            return meanings[i].status;
    return ST_INTERNAL;
}

int sqlstate_retry(const char *sqlstate)
{
    return !strcmp(sqlstate, "40001") || !strcmp(sqlstate, "40P01");
}
