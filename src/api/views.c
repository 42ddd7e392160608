/* How the canonical API shows things as JSON. */
#include "api/views.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/fields.h"
#include "base/hash.h"
#include "base/pattern.h"

#define TOOL_CALLS_MAX 262144 /* bytes */
#define METADATA_MAX   65536

void view_user(struct json_writer *json, const struct user *user)
{
    json_begin_object(json);
    json_put_text(json, "user_id", user->id.text);
    json_put_text(json, "email", user->email);
    json_put_text(json, "display_name", user->display_name);
    json_put_text(json, "avatar_url", user->avatar_url);
    json_put_text(json, "created_at", user->created_at);
    json_put_text(json, "updated_at", user->updated_at);
    json_end_object(json);
}

void view_session(struct json_writer *json, const struct session *session)
{
    json_begin_object(json);
    json_put_text(json, "session_id", session->id.text);
    json_put_text(json, "title", session->title);
    json_put_text(json, "preview", session->preview);
    json_put_int(json, "message_count", session->message_count);
    json_put_bool(json, "is_active", session->is_active);
    json_put_text(json, "helper", session->helper);
    json_put_text(json, "project_id", session->project_id);
    json_put_text(json, "created_at", session->created_at);
    json_put_text(json, "updated_at", session->updated_at);
    json_put_text(json, "last_message_at", session->last_message_at);
    json_put_int(json, "prompt_tokens", session->prompt_tokens);
    json_put_int(json, "completion_tokens", session->completion_tokens);
    json_put_bool(json, "tokens_estimated", session->tokens_estimated);
    json_end_object(json);
}

void view_message(struct json_writer *json, const char *session_id, const struct message *message)
{
    json_begin_object(json);
    json_put_text(json, "message_id", message->id.text);
    json_put_text(json, "session_id", session_id);
    json_put_int(json, "seq", message->seq);
    json_put_text(json, "parent_id", message->parent_id);
    json_put_int(json, "sibling_index", message->sibling_index);
    json_put_int(json, "sibling_count", message->sibling_count);
    json_put_text(json, "role", message->role);
    json_write_key(json, "content");
    json_write_string(json, message->content, message->content_len);
    json_put_raw(json, "tool_calls", message->tool_calls);
    json_put_raw(json, "metadata", message->metadata);
    json_put_text(json, "status", message->status);
    json_put_text(json, "turn_id", message->turn_id);
    json_put_raw(json, "tokens", message->tokens);
    json_put_raw(json, "prompt_tokens", message->prompt_tokens);
    json_put_raw(json, "tokens_estimated", message->tokens_estimated);
    json_put_text(json, "created_at", message->created_at);
    json_end_object(json);
}

void view_project(struct json_writer *json, const struct project *project)
{
    json_begin_object(json);
    json_put_text(json, "project_id", project->id.text);
    json_put_text(json, "name", project->name);
    json_put_bool(json, "is_owner", project->is_owner);
    if (project->updated_at) {
        json_put_text(json, "description", project->description);
        json_put_text(json, "updated_at", project->updated_at);
    }
    json_put_text(json, "created_at", project->created_at);
    json_end_object(json);
}

const char *view_url_field(struct api *api, const char *name)
{
    const char *url = field_text(api, name, FIELD_OPTIONAL, 2048);
    if (url && !pattern_matches(PATTERN_HTTP_URL, url))
        (void)!fault_field(&api->call.fault, name, "must be an http or https address");
    return url;
}

static const char *role_field(struct api *api)
{
    const char *role = field_text(api, "role", FIELD_REQUIRED, 16);
    if (role && role[0] && !message_role_is_known(role))
        (void)!fault_field(&api->call.fault, "role", VIEW_ROLES);
    return role;
}

struct message_new view_message_fields(struct api *api)
{
    struct message_new new_message = {
        .role = role_field(api),
        .content = field_long_text(api, "content", FIELD_REQUIRED, (size_t)api->app->settings->max_message_bytes),
        .tool_calls = field_json(api, "tool_calls", JSON_ARRAY, TOOL_CALLS_MAX),
        .metadata = field_json(api, "metadata", JSON_OBJECT, METADATA_MAX),
    };
    /* Only a message that calls tools may say nothing. */
    if (new_message.content && !new_message.content[0] && !new_message.tool_calls)
        (void)!fault_field(&api->call.fault, "content", "must not be empty");
    return new_message;
}

const char *view_parent_field(struct api *api)
{
    const char *parent = field_uuid(api, "parent_message_id", FIELD_OPTIONAL);
    if (!parent && api->call.fault.fields == 0 && field_present(api, "parent_message_id"))
        return MESSAGE_NO_PARENT;
    return parent;
}

void view_conditional(struct api *api)
{
    struct reply *reply = api->reply;
    char tag[sizeof("\"0123456789abcdef\"")];
    if (!reply_ok(reply))
        return;
    (void)snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", hash_xxh64(reply->body.data, reply->body.len));
    reply_header(reply, "ETag", tag);
    reply_header(reply, "Cache-Control", "private, no-cache");
    const char *known = request_header(api->request, "If-None-Match");
    if (known && (strcmp(known, "*") == 0 || strstr(known, tag))) {
        reply->status = 304;
        reply->no_body = true;
    }
}
