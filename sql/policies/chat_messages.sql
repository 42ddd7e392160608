-- Messages are their owner's and never change: the flags of the tree may be updated, the text of an answer once, when its turn ends (trigger
-- keep_chat_message), and none is deleted alone.

alter table parley.chat_messages enable row level security;
alter table parley.chat_messages force row level security;

revoke all on parley.chat_messages from public;
grant select, insert on parley.chat_messages to :app;
grant update (on_path, sibling_count, content, tool_calls, metadata, status, tokens, prompt_tokens,
    tokens_estimated, created_at) on parley.chat_messages to :app;

drop policy if exists chat_messages_owner_select on parley.chat_messages;
create policy chat_messages_owner_select on parley.chat_messages for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy chat_messages_owner_select on parley.chat_messages is 'People see their own rows.';

drop policy if exists chat_messages_owner_insert on parley.chat_messages;
create policy chat_messages_owner_insert on parley.chat_messages for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy chat_messages_owner_insert on parley.chat_messages is 'People add rows only as themselves.';

drop policy if exists chat_messages_owner_update on parley.chat_messages;
create policy chat_messages_owner_update on parley.chat_messages for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy chat_messages_owner_update on parley.chat_messages is 'People change their own rows.';
