/*
 * THE route table: what can be called, by whom, with how large a body. Everything generic (the token, quotas,
 * idempotency keys, limits) is done from these rows, before the handler. To add an endpoint, add a row and its handler.
 *
 *   method, path          a segment in braces is an id
 *   who                   ACCESS_ANYONE, or ACCESS_USER: with a valid access token
 *   body                  the most bytes that are read of a body; 0: there is none
 *   flags                 ROUTE_IDEMPOTENT_KEY: it creates something, so Idempotency-Key is honoured
 *                         ROUTE_READ_ONLY: it only reads; ROUTE_UNCOUNTED: outside of the request quota
 *                         ROUTE_ANY_TYPE: a JSON body is taken whatever its Content-Type says
 */
#include "api/api.h"
#include "api/handlers.h"

#define V1    "/api/v1"
#define SMALL 16384         /* a few fields */
#define LARGE (4 * 1048576) /* a message; settings->max_body_bytes is the tighter limit */

#define KEYED ROUTE_IDEMPOTENT_KEY
#define READS ROUTE_READ_ONLY
#define ANY   ROUTE_ANY_TYPE

const struct route api_routes[] = {
    /* Signing in. */
    {METHOD_POST, V1 "/auth/signup", ACCESS_ANYONE, SMALL, 0, auth_signup},
    {METHOD_POST, V1 "/auth/login", ACCESS_ANYONE, SMALL, 0, auth_login},
    {METHOD_POST, V1 "/auth/refresh", ACCESS_ANYONE, SMALL, 0, auth_refresh},
    {METHOD_POST, V1 "/auth/logout", ACCESS_ANYONE, SMALL, 0, auth_logout},
    {METHOD_POST, V1 "/auth/password", ACCESS_USER, SMALL, 0, auth_password},
    /* The person. */
    {METHOD_POST, V1 "/users", ACCESS_ANYONE, SMALL, 0, auth_signup},
    {METHOD_GET, V1 "/users/me", ACCESS_USER, 0, READS, users_me},
    {METHOD_PATCH, V1 "/users/me", ACCESS_USER, SMALL, 0, users_update},
    {METHOD_DELETE, V1 "/users/me", ACCESS_USER, SMALL, 0, users_delete},
    {METHOD_GET, V1 "/usage", ACCESS_USER, 0, READS, usage_show},
    /* Sessions. */
    {METHOD_GET, V1 "/sessions", ACCESS_USER, 0, READS, sessions_list},
    {METHOD_POST, V1 "/sessions", ACCESS_USER, SMALL, KEYED, sessions_create},
    {METHOD_GET, V1 "/sessions/{id}", ACCESS_USER, 0, READS, sessions_get},
    {METHOD_PATCH, V1 "/sessions/{id}", ACCESS_USER, SMALL, 0, sessions_update},
    {METHOD_DELETE, V1 "/sessions/{id}", ACCESS_USER, SMALL, 0, sessions_delete},
    {METHOD_PUT, V1 "/sessions/{id}/title", ACCESS_USER, SMALL, 0, sessions_rename},
    {METHOD_POST, V1 "/sessions/{id}/restore", ACCESS_USER, SMALL, KEYED, sessions_restore},
    {METHOD_PUT, V1 "/sessions/{id}/active", ACCESS_USER, SMALL, 0, sessions_activate},
    /* Messages. */
    {METHOD_GET, V1 "/sessions/{id}/messages", ACCESS_USER, 0, READS, messages_list},
    {METHOD_POST, V1 "/sessions/{id}/messages", ACCESS_USER, LARGE, KEYED, messages_create},
    /* Turns. */
    {METHOD_POST, V1 "/chat", ACCESS_USER, LARGE, KEYED, chat_send},
    {METHOD_POST, V1 "/sessions/{id}/messages/{id}/regenerate", ACCESS_USER, SMALL, KEYED, chat_regenerate},
    {METHOD_GET, V1 "/sessions/{id}/stream", ACCESS_USER, 0, 0, chat_stream},
    {METHOD_GET, V1 "/sessions/{id}/events", ACCESS_USER, 0, 0, chat_events},
    {METHOD_POST, V1 "/sessions/{id}/stop", ACCESS_USER, SMALL, 0, chat_stop},
    /* Whole sessions: conf/dialects/saves.md. */
    {METHOD_GET, V1 "/chat/sessions", ACCESS_USER, 0, 0, saves_list},
    {METHOD_POST, V1 "/chat/session", ACCESS_USER, LARGE, KEYED, saves_save},
    /* Sessions of helpers: conf/dialects/helper-chats.md. */
    {METHOD_GET, "/api/chat/sessions", ACCESS_USER, 0, READS, helper_chats_list},
    {METHOD_POST, "/api/chat/sessions", ACCESS_USER, SMALL, KEYED | ANY, helper_chats_create},
    {METHOD_DELETE, "/api/chat/sessions", ACCESS_USER, SMALL, ANY, helper_chats_delete},
    {METHOD_GET, "/api/chat/sessions/{id}/messages", ACCESS_USER, 0, READS, helper_chats_messages},
    {METHOD_POST, "/api/chat/sessions/{id}/messages", ACCESS_USER, LARGE, KEYED | ANY, helper_chats_save},
    {METHOD_POST, "/api/chat", ACCESS_USER, LARGE, KEYED | ANY, helper_chats_send},
    /* Projects and helpers. */
    {METHOD_GET, V1 "/projects", ACCESS_USER, 0, READS, projects_list},
    {METHOD_POST, V1 "/projects", ACCESS_USER, 4 * SMALL, KEYED, projects_create},
    {METHOD_PATCH, V1 "/projects/{id}", ACCESS_USER, 4 * SMALL, 0, projects_update},
    {METHOD_DELETE, V1 "/projects/{id}", ACCESS_USER, SMALL, 0, projects_delete},
    {METHOD_POST, V1 "/projects/{id}/invitations", ACCESS_USER, SMALL, 0, projects_invite},
    {METHOD_POST, V1 "/projects/join", ACCESS_USER, SMALL, 0, projects_join},
    {METHOD_GET, V1 "/projects/{id}/members", ACCESS_USER, 0, READS, projects_members},
    {METHOD_DELETE, V1 "/projects/{id}/members/{id}", ACCESS_USER, SMALL, 0, projects_part},
    {METHOD_GET, V1 "/helpers", ACCESS_USER, 0, READS, helpers_list},
    /* Threads. */
    {METHOD_POST, "/chat", ACCESS_USER, LARGE, KEYED | ROUTE_ANY_TYPE, threads_send},
    {METHOD_POST, "/chat/stream", ACCESS_USER, LARGE, KEYED | ROUTE_ANY_TYPE, threads_stream},
    {METHOD_GET, "/chat/history", ACCESS_USER, 0, 0, threads_history},
    {METHOD_DELETE, "/chat/history", ACCESS_USER, SMALL, ANY, threads_clear},
    {METHOD_GET, "/chat/sessions", ACCESS_USER, 0, READS, threads_list},
    /* The process. */
    {METHOD_GET, "/healthz", ACCESS_ANYONE, 0, ROUTE_UNCOUNTED, health_live},
    {METHOD_GET, "/readyz", ACCESS_ANYONE, 0, ROUTE_UNCOUNTED, health_ready},
    {METHOD_GET, "/metrics", ACCESS_ANYONE, 0, ROUTE_UNCOUNTED, health_metrics},
    {METHOD_GET, "/openapi.yaml", ACCESS_ANYONE, 0, ROUTE_UNCOUNTED, openapi_show},
    {.path = NULL},
};
