/*
 * Moving all that another application's database holds: form after form, owner after owner, a chunk of messages a
 * transaction. What was moved is on disk, so that an import which ended early goes on when it is started again.
 */
#ifndef PARLEY_CORE_LEGACY_IMPORT_H
#define PARLEY_CORE_LEGACY_IMPORT_H

#include "core/legacy.h"
#include "core/legacy_report.h"
#include "db/source.h"

#define LEGACY_FORMS_MAX 16

struct legacy_import {
    struct legacy legacy;
    struct source *source;
    /* Told with every row of messages how many of them are done, of about how many. */
    void (*progress)(int64_t done, int64_t total);
    struct legacy_report reports[LEGACY_FORMS_MAX]; /* filled in */
    int64_t done, total;
};

/* ST_NOT_FOUND: the database has none of the forms. ST_UNAVAILABLE: stopped, or one of the databases is gone; run it
 * again. The reports hold what was done in any case. */
enum status legacy_import_run(struct legacy_import *import) MUST_CHECK;

#endif
