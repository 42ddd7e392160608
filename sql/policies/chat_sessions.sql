-- A session is its owner's. The claim parley.purge opens what is due for removal anyway.
--
-- A CASE, not an OR: the planner makes an OR of two indexed conditions a plan of its own, which reads all that is due of everybody and
-- all of a person's sessions for a page of them, and it believes that hardly a row passes both the OR and the query's own user_id.

alter table parley.chat_sessions enable row level security;
alter table parley.chat_sessions force row level security;

revoke all on parley.chat_sessions from public;
grant select, insert, delete on parley.chat_sessions to :app;
grant update (project_id, helper, title, title_is_auto, preview, message_count, last_seq, active_leaf,
    is_active, provider_thread_id, updated_at, last_message_at, deleted_at, purge_at,
    prompt_tokens, completion_tokens, estimated_tokens, thread_name) on parley.chat_sessions to :app;

drop policy if exists chat_sessions_owner_select on parley.chat_sessions;
create policy chat_sessions_owner_select on parley.chat_sessions for select
    using (case current_setting('parley.purge', true)
        when 'due' then purge_at < now()
        else user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        end);
comment on policy chat_sessions_owner_select on parley.chat_sessions is 'People see their own; purging sees hidden ones whose time is over.';

drop policy if exists chat_sessions_owner_insert on parley.chat_sessions;
create policy chat_sessions_owner_insert on parley.chat_sessions for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy chat_sessions_owner_insert on parley.chat_sessions is 'People add rows only as themselves.';

drop policy if exists chat_sessions_owner_update on parley.chat_sessions;
create policy chat_sessions_owner_update on parley.chat_sessions for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy chat_sessions_owner_update on parley.chat_sessions is 'People change their own rows.';

drop policy if exists chat_sessions_owner_delete on parley.chat_sessions;
create policy chat_sessions_owner_delete on parley.chat_sessions for delete
    using (case current_setting('parley.purge', true)
        when 'due' then purge_at < now()
        else user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        end);
comment on policy chat_sessions_owner_delete on parley.chat_sessions is 'People remove their own; purging removes hidden ones whose time is over.';
