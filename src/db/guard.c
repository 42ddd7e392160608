/*
 * Asking the database whether it guards its rows from us.
 *
 * What must stay true: only a database that answered every question well is safe; the first fault found is told in
 * words that say what to do (they stand in sql/queries/guard.sql, beside what they are about).
 */
#include "db/guard.h"

#include "base/arena.h"
#include "base/settings.h"
#include "db/db.h"
#include "db/migrate.h"

/* Runs the questions, each of which answers a row a fault. */
static enum status ask(struct db *db, struct db_tx *tx, const char **reason)
{
    struct fault fault = {0};
    tx->read_only = true;
    enum status status = db_run(db, tx, DB_COMMIT, &fault);
    if (status != ST_OK)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < tx->count; i++) {
        if (!tx->statement[i].rows->count)
            continue;
        *reason = row_text(tx->statement[i].rows, 0, 0);
        return ST_FORBIDDEN;
    }
    return ST_OK;
}

/* Whether the schema is at least the one this program was built with. A newer one is served: in a rolling upgrade the
 * database is migrated first, and migrations keep what older programs use. */
static enum status check_version(struct db *db, struct arena *arena, const char **reason)
{
    struct fault fault = {0};
    struct db_tx tx;
    db_tx_init(&tx, arena);
    tx.read_only = true;
    const struct db_rows *rows = db_add_params(&tx, QUERY_GUARD_VERSION, NULL, 0);
    if (db_run(db, &tx, DB_COMMIT, &fault) != ST_OK)
        return ST_UNAVAILABLE;
    int version = (int)row_int(rows, 0, 0);
    if (version >= migrate_newest())
        return ST_OK;
    *reason =
        arena_printf(arena, "schema is at %d, this program needs %d: run `parley migrate`", version, migrate_newest());
    return *reason ? ST_FORBIDDEN : ST_UNAVAILABLE;
}

enum status guard_check(struct db *db, struct arena *arena, const struct settings *settings, const char **reason)
{
    struct db_tx tx;
    db_tx_init(&tx, arena);
    *reason = NULL;
    db_add(&tx, QUERY_GUARD_ROLE, settings->app_role);
    db_add_params(&tx, QUERY_GUARD_SCHEMA, NULL, 0);
    if (!settings->single_role)
        db_add(&tx, QUERY_GUARD_OWNER, settings->app_role);
    db_add_params(&tx, QUERY_GUARD_TABLES, NULL, 0);
    enum status status = ask(db, &tx, reason);
    return status == ST_OK ? check_version(db, arena, reason) : status;
}
