/* Projects of the caller. */
#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"

static enum status reply_project(struct api *api, enum status status, unsigned code, const struct project *project)
{
    if (status == ST_OK)
        view_project(reply_json(api->reply, code), project);
    return status;
}

enum status projects_list(struct api *api)
{
    struct project_list list;
    enum status status = project_list(&api->call, &list);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < list.count; i++)
        view_project(json, &list.project[i]);
    json_end_array(json);
    return ST_OK;
}

enum status projects_create(struct api *api)
{
    struct uuid id;
    struct project project;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *name = field_line(api, "name", FIELD_REQUIRED, PROJECT_NAME_MAX);
    const char *description = field_text(api, "description", FIELD_OPTIONAL, PROJECT_DESCRIPTION_MAX);
    status = fields_check(api);
    if (status == ST_OK && !uuid_v7(&id))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = project_create(&api->call, &id, name, description, &project);
    if (status != ST_OK)
        return status;
    char *location = arena_printf(api->call.arena, "/api/v1/projects/%s", project.id.text);
    if (!location)
        return ST_UNAVAILABLE;
    reply_header(api->reply, "Location", location);
    return reply_project(api, ST_OK, 201, &project);
}

enum status projects_update(struct api *api)
{
    struct uuid id;
    struct project project;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    bool rename = field_present(api, "name");
    struct project_change change = {
        .name = field_line(api, "name", rename ? FIELD_REQUIRED : FIELD_OPTIONAL, PROJECT_NAME_MAX),
        .set_description = field_present(api, "description"),
        .description = field_text(api, "description", FIELD_OPTIONAL, PROJECT_DESCRIPTION_MAX),
    };
    status = fields_check(api);
    if (status == ST_OK)
        status = project_update(&api->call, &id, &change, &project);
    return reply_project(api, status, 200, &project);
}

enum status projects_delete(struct api *api)
{
    struct uuid id;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = project_delete(&api->call, &id);
    if (status == ST_OK)
        reply_empty(api->reply);
    return status;
}
