-- Totals are their owner's.

alter table parley.user_usage enable row level security;
alter table parley.user_usage force row level security;

revoke all on parley.user_usage from public;
grant select, insert on parley.user_usage to :app;
grant update (session_count, prompt_tokens, completion_tokens, total_tokens, estimated_tokens, updated_at) on parley.user_usage to :app;

drop policy if exists user_usage_owner_select on parley.user_usage;
create policy user_usage_owner_select on parley.user_usage for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_usage_owner_select on parley.user_usage is 'People see their own rows.';

drop policy if exists user_usage_owner_insert on parley.user_usage;
create policy user_usage_owner_insert on parley.user_usage for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_usage_owner_insert on parley.user_usage is 'People add rows only as themselves.';

drop policy if exists user_usage_owner_update on parley.user_usage;
create policy user_usage_owner_update on parley.user_usage for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_usage_owner_update on parley.user_usage is 'People change their own rows.';
