/* The person who calls. */
#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"

enum status users_me(struct api *api)
{
    struct user user;
    enum status status = user_get(&api->call, &user);
    if (status == ST_OK)
        view_user(reply_json(api->reply, 200), &user);
    return status;
}

enum status users_update(struct api *api)
{
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct user_change change = {
        .set_display_name = field_present(api, "display_name"),
        .display_name = field_line(api, "display_name", FIELD_NOT_EMPTY, VIEW_NAME_MAX),
        .set_avatar_url = field_present(api, "avatar_url"),
        .avatar_url = view_url_field(api, "avatar_url"),
    };
    status = fields_check(api);
    struct user user;
    if (status == ST_OK)
        status = user_update(&api->call, &change, &user);
    if (status == ST_OK)
        view_user(reply_json(api->reply, 200), &user);
    return status;
}

enum status users_delete(struct api *api)
{
    enum status status = user_delete(&api->call);
    if (status == ST_OK)
        reply_empty(api->reply);
    return status;
}
