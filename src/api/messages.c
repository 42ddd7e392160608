/* Messages of a session. */
#include <string.h>

#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"

#define PAGE_DEFAULT 50
#define SEQ_MAX      2147483647

/* What part is asked for: offset, before, after, or else the last ones. They exclude one another. */
static enum status read_range(struct api *api, struct message_range *range)
{
    long offset = query_int(api, "offset", 0, SEQ_MAX, -1);
    long before = query_int(api, "before", 0, SEQ_MAX, -1);
    long after = query_int(api, "after", 0, SEQ_MAX, -1);
    const char *branches = request_query(api->request, "branches");
    *range = (struct message_range){
        .from = MESSAGE_LAST,
        .limit = (unsigned)query_int(api, "limit", 1, MESSAGE_PAGE_MAX, PAGE_DEFAULT),
    };
    if ((offset >= 0) + (before >= 0) + (after >= 0) > 1)
        (void)!fault_field(&api->call.fault, "offset", "only one of offset, before and after may be given");
    if (branches && strcmp(branches, "all") != 0)
        (void)!fault_field(&api->call.fault, "branches", "must be \"all\"");
    if (branches && (offset >= 0 || before >= 0))
        (void)!fault_field(&api->call.fault, "branches", "goes with after alone");
    if (offset >= 0)
        *range = (struct message_range){MESSAGE_OFFSET, range->limit, offset, 0};
    if (before >= 0)
        *range = (struct message_range){MESSAGE_BEFORE, range->limit, before, 0};
    if (after >= 0)
        *range = (struct message_range){MESSAGE_AFTER, range->limit, after, 0};
    if (branches)
        *range = (struct message_range){MESSAGE_ALL, range->limit, after >= 0 ? after : 0, 0};
    return fields_check(api);
}

/* Where reading goes on: forwards is next, backwards (to older ones) is prev. */
static void write_link(struct api *api, const struct uuid *session, const struct message_range *range,
                       const struct message_page *page)
{
    bool backwards = range->from == MESSAGE_LAST || range->from == MESSAGE_BEFORE;
    const char *by = backwards ? "before" : range->from == MESSAGE_OFFSET ? "offset" : "after";
    int64_t at = range->from == MESSAGE_OFFSET ? range->at + page->count
                 : backwards                   ? page->message[0].seq
                                               : page->message[page->count - 1].seq;
    char *link = arena_printf(api->call.arena, "</api/v1/sessions/%s/messages?limit=%u&%s=%lld%s>; rel=\"%s\"",
                              session->text, range->limit, by, (long long)at,
                              range->from == MESSAGE_ALL ? "&branches=all" : "", backwards ? "prev" : "next");
    if (link)
        reply_header(api->reply, "Link", link);
}

enum status messages_list(struct api *api)
{
    struct uuid session;
    struct message_range range;
    struct message_page page;
    enum status status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = read_range(api, &range);
    if (status == ST_OK)
        status = message_page(&api->call, &session, &range, &page);
    if (status != ST_OK)
        return status;

    struct json_writer *json = reply_json(api->reply, 200);
    json_begin_array(json);
    for (unsigned i = 0; i < page.count; i++)
        view_message(json, session.text, &page.message[i]);
    json_end_array(json);
    if (page.more)
        write_link(api, &session, &range, &page);
    return ST_OK;
}

enum status messages_create(struct api *api)
{
    struct uuid session;
    struct message message;
    enum status status = path_uuid(api, 0, &session);
    if (status == ST_OK)
        status = fields_body(api);
    if (status != ST_OK)
        return status;
    struct message_new new_message = view_message_fields(api);
    new_message.parent_id = view_parent_field(api);
    status = fields_check(api);
    if (status == ST_OK && !uuid_v7(&new_message.id))
        status = ST_UNAVAILABLE;
    if (status == ST_OK)
        status = message_append(&api->call, &session, &new_message, &message);
    if (status == ST_OK)
        view_message(reply_json(api->reply, 201), session.text, &message);
    return status;
}
