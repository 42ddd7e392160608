/* Projects: what a person groups sessions by, alone or with others. */
#include "core/project.h"

/* A row of (project_id, name, is_owner, created_at). */
static void read_listed(const struct db_rows *rows, unsigned i, struct project *project)
{
    *project = (struct project){
        .name = row_text(rows, i, 1),
        .is_owner = row_bool(rows, i, 2),
        .created_at = row_time(rows, i, 3),
    };
    (void)row_uuid(rows, i, 0, &project->id);
}

static enum status not_found(struct call *call)
{
    return fault_set(&call->fault, ST_NOT_FOUND, "project_not_found", "No such project.");
}

enum status project_list(struct call *call, struct project_list *list)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_PROJECT_LIST, call->user.text, db_int(call->arena, PROJECT_LIST_MAX));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    list->count = rows->count;
    list->project = arena_alloc(call->arena, rows->count * sizeof(*list->project));
    if (!list->project)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < rows->count; i++)
        read_listed(rows, i, &list->project[i]);
    return ST_OK;
}

static enum status run_for_one(struct call *call, const struct db_rows *rows, struct project *project)
{
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return not_found(call);
    *project = (struct project){
        .name = row_text(rows, 0, 1),
        .description = row_text(rows, 0, 2),
        .is_owner = true,
        .created_at = row_time(rows, 0, 3),
        .updated_at = row_time(rows, 0, 4),
    };
    (void)row_uuid(rows, 0, 0, &project->id);
    return ST_OK;
}

enum status project_create(struct call *call, const struct uuid *id, const char *name, const char *description,
                           struct project *project)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_PROJECT_CREATE, call->user.text, id->text, name, description);
    return run_for_one(call, rows, project);
}

enum status project_update(struct call *call, const struct uuid *id, const struct project_change *change,
                           struct project *project)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_PROJECT_UPDATE, call->user.text, id->text, change->name,
                                        db_bool(change->set_description), change->description);
    return run_for_one(call, rows, project);
}

enum status project_delete(struct call *call, const struct uuid *id)
{
    db_add(&call->tx, QUERY_PROJECT_DELETE, call->user.text, id->text);
    return call_run(call);
}

enum status project_invitation_round(struct call *call, const struct uuid *id, int64_t *round)
{
    const struct db_rows *rows = db_add(&call->tx, QUERY_PROJECT_INVITATION_ROUND, call->user.text, id->text);
    enum status status = call_run(call);
    if (status == ST_OK && rows->count == 0)
        return not_found(call);
    if (status == ST_OK)
        *round = row_int(rows, 0, 0);
    return status;
}

enum status project_join(struct call *call, const struct uuid *owner, const struct uuid *id, int64_t round,
                         struct project *project)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_PROJECT_JOIN, call->user.text, owner->text, id->text, db_int(call->arena, round));
    enum status status = call_run(call);
    if (status == ST_OK)
        read_listed(rows, 0, project);
    return status;
}

enum status project_members(struct call *call, const struct uuid *id, struct project_member_list *list)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_PROJECT_MEMBERS, call->user.text, id->text, db_int(call->arena, PROJECT_MEMBERS_MAX));
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return not_found(call);
    list->count = rows->count;
    list->member = arena_alloc(call->arena, rows->count * sizeof(*list->member));
    if (!list->member)
        return ST_UNAVAILABLE;
    for (unsigned i = 0; i < rows->count; i++) {
        (void)row_uuid(rows, i, 0, &list->member[i].user);
        list->member[i].is_owner = row_bool(rows, i, 1);
        list->member[i].created_at = row_time(rows, i, 2);
    }
    return ST_OK;
}

enum status project_part(struct call *call, const struct uuid *id, const struct uuid *member)
{
    db_add(&call->tx, QUERY_PROJECT_PART, call->user.text, id->text, member->text);
    return call_run(call);
}
