/* The handlers of the route table, a group a file. Each answers ST_OK with the reply written, or why not. */
#ifndef PARLEY_API_HANDLERS_H
#define PARLEY_API_HANDLERS_H

#include "base/status.h"

struct api;

/* auth.c */
enum status auth_signup(struct api *api);
enum status auth_login(struct api *api);
enum status auth_refresh(struct api *api);
enum status auth_logout(struct api *api);
enum status auth_password(struct api *api);

/* users.c */
enum status users_me(struct api *api);
enum status users_update(struct api *api);
enum status users_delete(struct api *api);

/* sessions.c */
enum status sessions_list(struct api *api);
enum status sessions_create(struct api *api);
enum status sessions_get(struct api *api);
enum status sessions_update(struct api *api);
enum status sessions_rename(struct api *api);
enum status sessions_delete(struct api *api);
enum status sessions_restore(struct api *api);
enum status sessions_activate(struct api *api);

/* messages.c */
enum status messages_list(struct api *api);
enum status messages_create(struct api *api);

/* chat.c */
enum status chat_send(struct api *api);
enum status chat_regenerate(struct api *api);
enum status chat_stream(struct api *api);
enum status chat_events(struct api *api);
enum status chat_stop(struct api *api);

/* saves.c: whole sessions */
enum status saves_list(struct api *api);
enum status saves_save(struct api *api);

/* helper_chats.c: sessions of helpers */
enum status helper_chats_list(struct api *api);
enum status helper_chats_create(struct api *api);
enum status helper_chats_delete(struct api *api);
enum status helper_chats_messages(struct api *api);
enum status helper_chats_save(struct api *api);
enum status helper_chats_send(struct api *api);

/* projects.c */
enum status projects_list(struct api *api);
enum status projects_create(struct api *api);
enum status projects_update(struct api *api);
enum status projects_delete(struct api *api);
enum status projects_invite(struct api *api);
enum status projects_join(struct api *api);
enum status projects_members(struct api *api);
enum status projects_part(struct api *api);

/* account.c: what stands beside sessions */
enum status helpers_list(struct api *api);
enum status usage_show(struct api *api);

/* threads.c */
enum status threads_send(struct api *api);
enum status threads_stream(struct api *api);
enum status threads_history(struct api *api);
enum status threads_clear(struct api *api);
enum status threads_list(struct api *api);

/* health.c */
enum status health_live(struct api *api);
enum status health_ready(struct api *api);
enum status health_metrics(struct api *api);

/* openapi.c */
enum status openapi_show(struct api *api);

#endif
