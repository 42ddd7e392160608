/* How the canonical API shows things as JSON, and the few field rules that several handlers share. */
#ifndef PARLEY_API_VIEWS_H
#define PARLEY_API_VIEWS_H

#include "api/api.h"
#include "core/message.h"
#include "core/project.h"
#include "core/session.h"
#include "core/user.h"

#define VIEW_NAME_MAX 200 /* characters of a display name */

void view_user(struct json_writer *json, const struct user *user);
void view_session(struct json_writer *json, const struct session *session);
void view_message(struct json_writer *json, const char *session_id, const struct message *message);
void view_project(struct json_writer *json, const struct project *project);

/* An http or https address in the body; NULL when absent or null. */
const char *view_url_field(struct api *api, const char *name);

#define VIEW_ROLES "must be user, assistant, system or tool"

/* The message in the body: role, content, tool_calls, metadata. */
struct message_new view_message_fields(struct api *api);

/* parent_message_id: NULL when absent; null in the body means none, so that the message is another first one. */
const char *view_parent_field(struct api *api);

/* Adds an ETag of the body; when the client has this very body already (If-None-Match, RFC 9110 section 13.1.2) the
 * answer becomes 304. */
void view_conditional(struct api *api);

#endif
