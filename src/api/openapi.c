/* The description of the API, told by the program that serves it: the two cannot differ in age. */
#include "api/openapi.h"

#include "api/handlers.h"
#include "api/views.h"

enum status openapi_show(struct api *api)
{
    api->reply->status = 200;
    reply_header(api->reply, "Content-Type", "application/yaml"); /* RFC 9512 */
    buf_add(&api->reply->body, openapi_text, openapi_len);
    view_conditional(api);
    return ST_OK;
}
