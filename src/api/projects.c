/* Projects of the caller. */
#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"
#include "auth/invitation.h"
#include "base/clock.h"

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

/* --- sharing --- */

enum status projects_invite(struct api *api)
{
    struct invitation invitation = {.owner = api->call.user, .ends_at = clock_real_ms() / 1000 + INVITATION_SECONDS};
    char text[INVITATION_TEXT_LEN + 1], ends_at[CLOCK_RFC3339_LEN + 1];
    enum status status = path_uuid(api, 0, &invitation.project);
    if (status == ST_OK)
        status = project_invitation_round(&api->call, &invitation.project, &invitation.round);
    if (status == ST_OK)
        status = invitation_sign(api->app->settings, &invitation, text);
    if (status != ST_OK)
        return status;
    clock_rfc3339(invitation.ends_at * 1000, ends_at);
    struct json_writer *json = reply_json(api->reply, 201);
    json_begin_object(json);
    json_put_text(json, "invitation", text);
    json_put_text(json, "project_id", invitation.project.text);
    json_put_text(json, "expires_at", ends_at);
    json_end_object(json);
    return ST_OK;
}

enum status projects_join(struct api *api)
{
    struct invitation invitation;
    struct project project;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *text = field_text(api, "invitation", FIELD_REQUIRED, INVITATION_TEXT_LEN);
    if (text && invitation_verify(api->app->settings, text, clock_real_ms() / 1000, &invitation) != ST_OK)
        (void)!fault_field(&api->call.fault, "invitation", "is not valid, or has expired");
    status = fields_check(api);
    if (status == ST_OK)
        status = project_join(&api->call, &invitation.owner, &invitation.project, invitation.round, &project);
    return reply_project(api, status, 200, &project);
}

enum status projects_members(struct api *api)
{
    struct uuid id;
    struct project_member_list list;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = project_members(&api->call, &id, &list);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < list.count; i++) {
        json_begin_object(json);
        json_put_text(json, "user_id", list.member[i].user.text);
        json_put_bool(json, "is_owner", list.member[i].is_owner);
        json_put_text(json, "created_at", list.member[i].created_at);
        json_end_object(json);
    }
    json_end_array(json);
    return ST_OK;
}

enum status projects_part(struct api *api)
{
    struct uuid id, member;
    enum status status = path_uuid(api, 0, &id);
    if (status == ST_OK)
        status = path_uuid(api, 1, &member);
    if (status == ST_OK)
        status = project_part(&api->call, &id, &member);
    if (status == ST_OK)
        reply_empty(api->reply);
    return status;
}
