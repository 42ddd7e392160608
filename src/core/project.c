/* Projects: what a person groups sessions by, alone or with others. */
#include "core/project.h"

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
    for (unsigned i = 0; i < rows->count; i++) {
        struct project *project = &list->project[i];
        (void)row_uuid(rows, i, 0, &project->id);
        project->name = row_text(rows, i, 1);
        project->is_owner = row_bool(rows, i, 2);
        project->created_at = row_time(rows, i, 3);
    }
    return ST_OK;
}

static enum status run_for_one(struct call *call, const struct db_rows *rows, struct project *project)
{
    enum status status = call_run(call);
    if (status != ST_OK)
        return status;
    if (rows->count == 0)
        return fault_set(&call->fault, ST_NOT_FOUND, "project_not_found", "No such project.");
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
