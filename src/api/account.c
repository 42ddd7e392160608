/* What stands beside sessions: helpers to choose from, and what was used. */
#include "api/fields.h"
#include "api/handlers.h"
#include "core/helper.h"
#include "core/usage.h"

enum status helpers_list(struct api *api)
{
    struct helper_list list;
    enum status status = helper_list(&api->call, &list);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < list.count; i++) {
        json_begin_object(json);
        json_put_text(json, "name", list.helper[i].name);
        json_put_text(json, "display_name", list.helper[i].display_name);
        json_put_text(json, "model", list.helper[i].model);
        json_put_text(json, "greeting", list.helper[i].greeting);
        json_end_object(json);
    }
    json_end_array(json);
    return ST_OK;
}

enum status usage_show(struct api *api)
{
    struct usage usage;
    enum status status = usage_get(&api->call, &usage);
    if (status != ST_OK)
        return status;
    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_object(json);
    json_put_int(json, "session_count", usage.sessions);
    json_put_int(json, "message_count", usage.messages);
    json_put_int(json, "prompt_tokens", usage.prompt_tokens);
    json_put_int(json, "completion_tokens", usage.completion_tokens);
    json_put_int(json, "total_tokens", usage.total_tokens);
    json_put_bool(json, "tokens_estimated", usage.tokens_estimated);
    json_put_text(json, "since", usage.since);
    json_put_text(json, "updated_at", usage.updated_at);
    json_end_object(json);
    return ST_OK;
}
