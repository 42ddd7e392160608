/*
 * `parley migrate`: the schema's SQL, run against the database on a connection of its own.
 *
 * What must stay true:
 * - What was run is noted in the same transaction that ran it.
 * - A text that was run before and reads otherwise now stops the run before anything is changed.
 * - Two runs at the same time do each step once: all of it happens under an advisory lock, which ends with the
 * connection.
 */
#include "db/migrate.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/settings.h"
#include "db/connection.h"
#include "db/query_table.h"
#include "db/schema.h"

/* Many times the schema's size. */
#define MEMORY_MAX (16U << 20)

#define REPEATABLE "repeatable" /* the name noted under number 0 */

struct run {
    PGconn *pg;
    struct arena *arena;
    FILE *out;
    const char *role; /* who serves, quoted as an identifier */
    PGresult *history;
    bool changed;
};

struct hash {
    char hex[CRYPTO_SHA256_HEX + 1];
};

static enum status say(enum status status, const char *what, const char *why)
{
    size_t n = strlen(why);
    fprintf(stderr, "parley migrate: %s: %s%s", what, why, n && why[n - 1] == '\n' ? "" : "\n");
    return status;
}

int migrate_newest(void)
{
    int newest = 0;
    for (const struct schema_file *file = schema_migrations; file->text; file++)
        newest = file->number;
    return newest;
}

/* Runs a named query; *result is the caller's to clear. */
static enum status ask(struct run *run, enum query query, const char *const *params, PGresult **result)
{
    const struct query_text *text = &query_table[query];
    *result = PQexecParams(run->pg, text->text, (int)text->params, NULL, params, NULL, NULL, 0);
    ExecStatusType got = PQresultStatus(*result);
    if (got == PGRES_TUPLES_OK || got == PGRES_COMMAND_OK)
        return ST_OK;
    PQclear(*result);
    *result = NULL;
    return say(ST_INTERNAL, text->name, PQerrorMessage(run->pg));
}

static enum status tell(struct run *run, enum query query, const char *const *params)
{
    PGresult *result;
    enum status status = ask(run, query, params, &result);
    if (status == ST_OK)
        PQclear(result);
    return status;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The text with the role in the place of each :app; ::app and :apple are something else. NULL: memory is out. */
static const char *with_role(const struct run *run, const char *text)
{
    static const char token[] = ":app";
    const size_t length = sizeof(token) - 1;
    struct buf buf;
    buf_init(&buf, run->arena);
    const char *rest = text;
    for (const char *at = text; (at = strstr(at, token)); at += length) {
        bool is_whole = !is_word(at[length]) && (at == text || (at[-1] != ':' && !is_word(at[-1])));
        if (!is_whole)
            continue;
        buf_add(&buf, rest, (size_t)(at - rest));
        buf_add_text(&buf, run->role);
        rest = at + length;
    }
    buf_add_text(&buf, rest);
    return buf_text(&buf);
}

/* Runs a file's statements, all in the transaction that is open. */
static enum status run_text(struct run *run, const char *name, const char *text)
{
    const char *sql = with_role(run, text);
    if (!sql)
        return say(ST_UNAVAILABLE, name, "out of memory");
    PGresult *result = PQexec(run->pg, sql);
    bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK ||
                   PQresultStatus(result) == PGRES_EMPTY_QUERY;
    PQclear(result);
    if (!is_good)
        return say(ST_INTERNAL, name, PQerrorMessage(run->pg));
    if (PQtransactionStatus(run->pg) != PQTRANS_INTRANS)
        return say(ST_INTERNAL, name, "it ends its own transaction, which is not allowed here");
    return ST_OK;
}

/* BEGIN, COMMIT or ROLLBACK; an answer with another tag is a failure. */
static enum status transact(struct run *run, const char *command)
{
    PGresult *result = PQexec(run->pg, command);
    bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK && !strcmp(PQcmdStatus(result), command);
    PQclear(result);
    return is_good ? ST_OK : say(ST_INTERNAL, command, PQerrorMessage(run->pg));
}

/* Ends a transaction: keeps what it did, or not. */
static enum status conclude(struct run *run, enum status status)
{
    if (status == ST_OK)
        status = transact(run, "COMMIT");
    if (status != ST_OK && PQtransactionStatus(run->pg) != PQTRANS_IDLE && transact(run, "ROLLBACK") != ST_OK)
        return status;
    run->changed = run->changed || status == ST_OK;
    return status;
}

/* Runs files[0..count) in one transaction, and notes it. */
static enum status apply(struct run *run, const struct schema_file *files, unsigned count, int number, const char *name,
                         const struct hash *hash)
{
    char digits[16];
    snprintf(digits, sizeof(digits), "%d", number);
    enum status status = transact(run, "BEGIN");
    for (unsigned i = 0; status == ST_OK && i < count; i++)
        status = run_text(run, files[i].name, files[i].text);
    if (status == ST_OK)
        status = tell(run, QUERY_MIGRATE_NOTE, (const char *const[]){digits, name, hash->hex});
    return conclude(run, status);
}

/* The note of a number, as its row in the history; -1: it was not run. */
static int find_note(const struct run *run, int number)
{
    for (int row = 0; row < PQntuples(run->history); row++)
        if (strtol(PQgetvalue(run->history, row, 0), NULL, 10) == number)
            return row;
    return -1;
}

static enum status hash_bytes(const void *bytes, size_t n, struct hash *hash)
{
    unsigned char digest[CRYPTO_SHA256_LEN];
    enum status status = crypto_sha256(bytes, n, digest);
    if (status == ST_OK)
        crypto_hex(digest, sizeof(digest), hash->hex);
    return status;
}

/* The database must not know more than this program, and what it was told must be what the program says. */
static enum status check_history(const struct run *run)
{
    int known = 0;
    for (const struct schema_file *file = schema_migrations; file->text; file++) {
        int row = find_note(run, file->number);
        struct hash hash;
        if (row < 0)
            continue;
        known++;
        if (hash_bytes(file->text, strlen(file->text), &hash) != ST_OK)
            return say(ST_UNAVAILABLE, file->name, "cannot be hashed");
        if (strcmp(PQgetvalue(run->history, row, 2), hash.hex) != 0)
            return say(ST_CONFLICT, file->name,
                       "it was changed after it had been applied; add a new migration instead");
    }
    for (int row = 0; row < PQntuples(run->history); row++) {
        if (strtol(PQgetvalue(run->history, row, 0), NULL, 10) > migrate_newest())
            return say(ST_CONFLICT, PQgetvalue(run->history, row, 1),
                       "the database is newer than this program; install the newer program");
    }
    if (known + (find_note(run, 0) >= 0) != PQntuples(run->history))
        return say(ST_CONFLICT, "history", "the database has a migration that this program does not know");
    return ST_OK;
}

static enum status apply_migrations(struct run *run)
{
    enum status status = ST_OK;
    for (const struct schema_file *file = schema_migrations; status == ST_OK && file->text; file++) {
        struct hash hash;
        if (find_note(run, file->number) >= 0)
            continue;
        status = hash_bytes(file->text, strlen(file->text), &hash);
        if (status == ST_OK)
            status = apply(run, file, 1, file->number, file->name, &hash);
        if (status == ST_OK)
            fprintf(run->out, "%s: applied\n", file->name);
    }
    return status;
}

/* One hash over all that is replaced together, and over the role it is granted to. */
static enum status hash_repeatable(const struct run *run, struct hash *hash, unsigned *count)
{
    struct buf buf;
    buf_init(&buf, run->arena);
    buf_add_text(&buf, run->role);
    for (*count = 0; schema_repeatable[*count].text; ++*count) {
        buf_add_char(&buf, '\0');
        buf_add_text(&buf, schema_repeatable[*count].name);
        buf_add_char(&buf, '\0');
        buf_add_text(&buf, schema_repeatable[*count].text);
    }
    return buf.failed ? ST_UNAVAILABLE : hash_bytes(buf.data, buf.len, hash);
}

/* What in the schema does not guard its rows, "" when all does; NULL: could not be asked. */
static const char *find_fault(struct run *run)
{
    PGresult *result;
    if (ask(run, QUERY_GUARD_TABLES, NULL, &result) != ST_OK)
        return NULL;
    const char *fault = PQntuples(result) ? arena_strdup(run->arena, PQgetvalue(result, 0, 1)) : "";
    PQclear(result);
    return fault;
}

static enum status apply_repeatable(struct run *run)
{
    struct hash hash;
    unsigned count;
    enum status status = hash_repeatable(run, &hash, &count);
    if (status != ST_OK)
        return say(status, REPEATABLE, "cannot be hashed");
    const char *fault = find_fault(run);
    int row = find_note(run, 0);
    /* Not needed when they stand as they were noted, no migration made a table since, and nobody switched a guard off.
     */
    if (fault && !*fault && !run->changed && row >= 0 && !strcmp(PQgetvalue(run->history, row, 2), hash.hex))
        return ST_OK;
    status = apply(run, schema_repeatable, count, 0, REPEATABLE, &hash);
    if (status != ST_OK)
        return status;
    fprintf(run->out, "functions, policies, views: replaced\n");
    fault = find_fault(run);
    return fault && !*fault ? ST_OK : say(ST_FORBIDDEN, "not safe", fault ? fault : "could not be checked");
}

/* The role that serves: as the settings say, or whoever is connected. It must be there. */
static enum status find_role(struct run *run, const struct settings *settings)
{
    const char *wanted = settings->single_role ? NULL : settings->app_role;
    PGresult *result;
    enum status status = ask(run, QUERY_MIGRATE_ROLE, &wanted, &result);
    if (status != ST_OK)
        return status;
    const char *role = wanted ? wanted : PQgetvalue(result, 0, 0);
    if (*PQgetvalue(result, 0, 1) != 't')
        status = say(ST_NOT_FOUND, role, "there is no such role: run sql/roles.sql, or set app_role");
    char *quoted = PQescapeIdentifier(run->pg, role, strlen(role));
    run->role = quoted ? arena_strdup(run->arena, quoted) : NULL;
    PQfreemem(quoted);
    PQclear(result);
    if (status == ST_OK && !run->role)
        status = say(ST_UNAVAILABLE, "app_role", "cannot be quoted");
    return status;
}

/* Makes the schema and the table of notes where they are missing. */
static enum status prepare_schema(struct run *run)
{
    PGresult *result;
    enum status status = ask(run, QUERY_MIGRATE_IS_NEW, NULL, &result);
    if (status != ST_OK)
        return status;
    bool is_new = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    if (!is_new)
        return ST_OK;
    status = transact(run, "BEGIN");
    if (status == ST_OK)
        status = run_text(run, "schema_migrations", schema_first);
    status = conclude(run, status);
    if (status == ST_OK)
        fprintf(run->out, "schema parley: made\n");
    return status;
}

static enum status run_steps(struct run *run, const struct settings *settings)
{
    enum status status = tell(run, QUERY_MIGRATE_SETTINGS, NULL);
    if (status == ST_OK)
        status = tell(run, QUERY_MIGRATE_LOCK, NULL);
    if (status == ST_OK)
        status = find_role(run, settings);
    if (status == ST_OK)
        status = prepare_schema(run);
    if (status == ST_OK)
        status = ask(run, QUERY_MIGRATE_LIST, NULL, &run->history);
    if (status == ST_OK)
        status = check_history(run);
    if (status == ST_OK)
        status = apply_migrations(run);
    if (status == ST_OK)
        status = apply_repeatable(run);
    if (status == ST_OK && !run->changed)
        fprintf(run->out, "up to date: schema %d\n", migrate_newest());
    return status;
}

enum status migrate_run(const struct settings *settings, FILE *out)
{
    const char *keywords[CONNECTION_KEYWORDS];
    const char *values[CONNECTION_KEYWORDS];
    connection_keywords(settings->database, keywords, values);
    struct run run = {.pg = PQconnectdbParams(keywords, values, 1), .arena = arena_new(MEMORY_MAX), .out = out};
    enum status status = ST_UNAVAILABLE;
    if (!run.arena || !run.pg)
        status = say(status, "start", "out of memory");
    else if (PQstatus(run.pg) != CONNECTION_OK)
        status = say(status, "no connection", PQerrorMessage(run.pg));
    else
        status = run_steps(&run, settings);
    PQclear(run.history);
    PQfinish(run.pg);
    arena_free(run.arena);
    return status;
}
