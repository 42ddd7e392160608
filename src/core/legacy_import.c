/*
 * Moving all that another application's database holds.
 *
 * What must stay true: no memory grows with the number of people, sessions or messages; a chunk has messages of one
 * owner alone, and is stored under their claim before the next owner is looked at.
 */
#include "core/legacy_import.h"

#include <string.h>

#include "base/utf8.h"
#include "core/legacy_chunk.h"
#include "core/legacy_form.h"

#define NO_ID "(empty)" /* what stands in the report for an id that is empty */

/* Rows that are in memory at once, and what a row has besides its text, tool calls and metadata. */
#define FETCH_BYTES ((size_t)32 << 20)
#define REST_BYTES  ((size_t)16 << 10)

/* What is known while a form is read. */
struct reading {
    struct legacy_import *import;
    const struct legacy_form *form;
    struct legacy_report *report;
    struct source_stream people, rows;
    bool has_people; /* whether the stream of people stands at one */
    bool is_person;  /* whether the owner was in it */
    struct arena *kept;
    struct buf owner, session; /* of the row before */
    bool has_owner, has_session, skipped;
    struct legacy_chunk chunk;
};

/* Ends what the last transaction has left in memory. */
static void forget(struct reading *reading)
{
    struct call *call = reading->import->legacy.call;
    call_next(call);
    arena_reset(call->arena);
    legacy_chunk_reset(&reading->chunk);
}

static enum status flush(struct reading *reading)
{
    enum status status = legacy_chunk_store(&reading->chunk);
    if (status == ST_OK)
        forget(reading);
    return status;
}

/* Whether it is the same text as before; if not, it is kept for the next time. */
static bool is_same(struct buf *before, bool *has_before, const char *now)
{
    if (*has_before && strlen(now) == before->len && memcmp(now, before->data, before->len) == 0)
        return true;
    before->len = 0;
    buf_add_text(before, now);
    *has_before = !before->failed;
    return false;
}

static struct legacy_person read_person(const struct source_stream *people)
{
    const struct db_rows *rows = &people->rows;
    return (struct legacy_person){
        .id = row_text(rows, people->row, 0),
        .email = row_text(rows, people->row, 1),
        .display_name = row_text(rows, people->row, 2),
        .avatar_url = row_text(rows, people->row, 3),
        .created_at = row_text(rows, people->row, 4),
    };
}

/* People come in the order of owners: what stands before this one is passed over. */
static enum status find_person(struct reading *reading, const char *owner, struct legacy_person *person)
{
    enum status status = ST_OK;
    *person = (struct legacy_person){.id = owner};
    reading->is_person = false;
    while (status == ST_OK && reading->has_people) {
        struct legacy_person next = read_person(&reading->people);
        int order = strcmp(next.id, owner);
        reading->is_person = order == 0;
        if (order == 0)
            *person = next;
        if (order >= 0)
            break;
        status = source_stream_next(&reading->people, &reading->has_people);
    }
    return status;
}

/* A dry run finds nobody known whom the people's own form would have made or matched before. */
static void count_owner(struct reading *reading, struct legacy_owner *owner, const char *id)
{
    if (reading->import->legacy.dry_run && reading->is_person && !legacy_owner_is_skipped(owner))
        owner->kind = LEGACY_OWNER_THERE;
    int64_t *const counts[] = {
        [LEGACY_OWNER_NEW] = &reading->report->owners_new,
        [LEGACY_OWNER_THERE] = &reading->report->owners_there,
        [LEGACY_OWNER_MATCHED] = &reading->report->owners_matched,
        [LEGACY_OWNER_MATCHED_ID] = &reading->report->owners_matched_id,
        [LEGACY_OWNER_EMAIL_TAKEN] = &reading->report->owners_skipped,
        [LEGACY_OWNER_ID_TAKEN] = &reading->report->owners_skipped,
    };
    ++*counts[owner->kind];
    if (legacy_owner_is_skipped(owner))
        legacy_report_note(reading->report, owner->kind == LEGACY_OWNER_ID_TAKEN ? LEGACY_ID_TAKEN : LEGACY_EMAIL_TAKEN,
                           id);
    if (owner->bad_email)
        legacy_report_note(reading->report, LEGACY_EMAIL_BAD, id);
}

static enum status open_owner(struct reading *reading, const struct legacy_person *person)
{
    struct legacy_owner owner;
    size_t n = person->id ? strlen(person->id) : 0;
    reading->skipped = n == 0 || n > LEGACY_ID_MAX || !utf8_valid(person->id, n);
    if (reading->skipped) {
        reading->report->owners_skipped++;
        legacy_report_note(reading->report, LEGACY_OWNER_NAMELESS, n ? person->id : NO_ID);
        return ST_OK;
    }
    enum status status = legacy_owner_open(&reading->import->legacy, person, &owner);
    if (status != ST_OK)
        return status;
    count_owner(reading, &owner, person->id);
    reading->skipped = legacy_owner_is_skipped(&owner);
    forget(reading);
    return ST_OK;
}

/* The call becomes this owner's. */
static enum status turn_to_owner(struct reading *reading, const char *owner)
{
    struct legacy_person person;
    if (is_same(&reading->owner, &reading->has_owner, owner))
        return ST_OK;
    reading->has_session = false;
    enum status status = flush(reading);
    if (status == ST_OK)
        status = find_person(reading, owner, &person);
    return status == ST_OK ? open_owner(reading, &person) : status;
}

/* What the row is known by in the report. */
static const char *name_of(const struct reading *reading, const struct legacy_row *row)
{
    const char *name = reading->form->has_places ? row->session : row->message;
    return name && *name ? name : NO_ID;
}

static enum status leave_out(struct reading *reading, const struct legacy_row *row, enum legacy_note note)
{
    reading->import->done++;
    reading->report->messages_skipped++;
    legacy_report_note(reading->report, note, name_of(reading, row));
    return ST_OK;
}

static enum status take_message(struct reading *reading)
{
    struct legacy_row row;
    legacy_row_read(&reading->rows, &row);
    if (!row.session)
        return row.message ? leave_out(reading, &row, LEGACY_NO_SESSION) : ST_OK;
    if (row.is_taken || row.is_twice)
        return leave_out(reading, &row, row.is_taken ? LEGACY_TURN_TAKEN : LEGACY_TURN_TWICE);
    bool no_list = reading->form->has_places && row.message && strcmp(row.message, "0") == 0;
    bool is_message = row.message && !no_list;
    enum status status = turn_to_owner(reading, row.owner ? row.owner : "");
    if (status == ST_OK && is_message)
        reading->import->done++;
    if (status == ST_OK && is_message && reading->skipped) {
        reading->report->messages_skipped++;
        legacy_report_note(reading->report, LEGACY_OF_SKIPPED_OWNER, row.owner && *row.owner ? row.owner : NO_ID);
    }
    if (status != ST_OK || reading->skipped)
        return status;
    if (!is_same(&reading->session, &reading->has_session, row.session))
        status = legacy_chunk_session(&reading->chunk, &row);
    if (status == ST_OK && row.is_mended)
        legacy_report_note(reading->report, LEGACY_JSON_MENDED, name_of(reading, &row));
    if (status == ST_OK && no_list)
        legacy_report_note(reading->report, LEGACY_NO_LIST, row.session);
    else if (status == ST_OK && is_message)
        status = legacy_chunk_message(&reading->chunk, &row);
    if (status == ST_OK && legacy_chunk_is_full(&reading->chunk))
        status = flush(reading);
    return status;
}

static enum status take_project(struct reading *reading)
{
    const struct db_rows *rows = &reading->rows.rows;
    unsigned row = reading->rows.row;
    const struct legacy_project project = {
        .id = row_text(rows, row, 1),
        .name = row_text(rows, row, 2),
        .description = row_text(rows, row, 3),
        .created_at = row_text(rows, row, 4),
        .owner = row_text(rows, row, 5),
    };
    bool added;
    enum status status = turn_to_owner(reading, row_text(rows, row, 0));
    if (status != ST_OK || reading->skipped)
        return status;
    status = legacy_project(&reading->import->legacy, &project, &added);
    if (status != ST_OK)
        return status;
    ++*(added ? &reading->report->projects_new : &reading->report->projects_there);
    forget(reading);
    return ST_OK;
}

static enum status take_usage(struct reading *reading)
{
    const struct db_rows *rows = &reading->rows.rows;
    const char *owner = row_text(rows, reading->rows.row, 0), *total = row_text(rows, reading->rows.row, 1);
    int64_t added;
    enum status status = turn_to_owner(reading, owner);
    if (status != ST_OK || reading->skipped)
        return status;
    status = legacy_tokens(&reading->import->legacy, owner, total, &added);
    if (status != ST_OK)
        return status;
    reading->report->tokens += added;
    forget(reading);
    return ST_OK;
}

static enum status take_person(struct reading *reading)
{
    struct legacy_person person = read_person(&reading->rows);
    return is_same(&reading->owner, &reading->has_owner, person.id) ? ST_OK : open_owner(reading, &person);
}

static enum status take_all(struct reading *reading)
{
    static enum status (*const take[])(struct reading *) = {
        [LEGACY_PEOPLE] = take_person,
        [LEGACY_PROJECTS] = take_project,
        [LEGACY_MESSAGES] = take_message,
        [LEGACY_USAGE] = take_usage,
    };
    struct legacy_import *import = reading->import;
    bool there;
    enum status status = source_stream_next(&reading->rows, &there);
    while (status == ST_OK && there) {
        status = take[reading->form->kind](reading);
        if (reading->form->kind == LEGACY_MESSAGES)
            import->progress(import->done, import->total);
        if (status == ST_OK)
            status = source_stream_next(&reading->rows, &there);
    }
    return status == ST_OK ? flush(reading) : status;
}

/* So many messages at once that the longest of them fit. */
static enum query fetch_for(size_t longest)
{
    size_t rows = FETCH_BYTES / (longest + LEGACY_TOOL_CALLS_MAX + LEGACY_METADATA_MAX + REST_BYTES);
    return rows >= 50 ? QUERY_SOURCE_FETCH : rows >= 5 ? QUERY_SOURCE_FETCH_FEW : QUERY_SOURCE_FETCH_ONE;
}

/* Begins the stream of the form, and beside it that of people. */
static enum status open_streams(struct reading *reading, bool has_people)
{
    const struct legacy_form *form = reading->form;
    struct source *source = reading->import->source;
    enum status status = ST_OK;
    if (form->kind == LEGACY_PEOPLE)
        return source_stream_open(&reading->rows, source, form->stream, QUERY_SOURCE_FETCH_PEOPLE,
                                  QUERY_SOURCE_CLOSE_PEOPLE, &form->person);
    if (has_people)
        status = source_stream_open(&reading->people, source, QUERY_SOURCE_PEOPLE, QUERY_SOURCE_FETCH_PEOPLE,
                                    QUERY_SOURCE_CLOSE_PEOPLE, &form->person);
    if (status == ST_OK && has_people)
        status = source_stream_next(&reading->people, &reading->has_people);
    if (status != ST_OK)
        return status;
    struct call *call = reading->import->legacy.call;
    int longest = call->settings->max_message_bytes;
    const char *const params[] = {db_int(call->arena, longest), db_int(call->arena, LEGACY_TOOL_CALLS_MAX),
                                  db_int(call->arena, LEGACY_METADATA_MAX)};
    return source_stream_open(&reading->rows, source, form->stream, fetch_for((size_t)longest), QUERY_SOURCE_CLOSE,
                              params);
}

static enum status read_form(struct legacy_import *import, unsigned form, bool has_people)
{
    struct reading reading = {
        .import = import,
        .form = &legacy_forms[form],
        .report = &import->reports[form],
        .kept = arena_new((size_t)16 << 20),
    };
    if (!reading.kept)
        return ST_UNAVAILABLE;
    buf_init(&reading.owner, reading.kept);
    buf_init(&reading.session, reading.kept);
    *reading.report = (struct legacy_report){.form = legacy_forms[form].name, .read = true};
    reading.chunk = (struct legacy_chunk){
        .legacy = &import->legacy,
        .form = reading.form,
        .report = reading.report,
    };
    enum status status = open_streams(&reading, has_people);
    forget(&reading);
    if (status == ST_OK)
        status = take_all(&reading);
    source_stream_close(&reading.rows);
    source_stream_close(&reading.people);
    arena_free(reading.kept);
    return status;
}

enum status legacy_import_run(struct legacy_import *import)
{
    bool there[LEGACY_FORMS_MAX];
    bool any = false;
    enum status status = legacy_forms_find(import->source, there);
    for (unsigned form = 0; status == ST_OK && legacy_forms[form].name; form++) {
        int64_t count = 0;
        if (there[form])
            status = legacy_form_count(import->source, &legacy_forms[form], &count);
        import->total += count;
        any = any || (there[form] && legacy_forms[form].kind != LEGACY_PEOPLE);
    }
    if (status == ST_OK && !any)
        return ST_NOT_FOUND;
    bool has_people = there[0];
    for (unsigned form = 0; status == ST_OK && legacy_forms[form].name; form++)
        if (there[form])
            status = read_form(import, form, has_people);
    return status;
}
