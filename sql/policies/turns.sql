-- Turns are their owner's.

alter table parley.turns enable row level security;
alter table parley.turns force row level security;

revoke all on parley.turns from public;
grant select, insert on parley.turns to :app;
grant update (message_id, status, model, lease_until, stop_requested_at, finish_reason, error_code,
    prompt_tokens, completion_tokens, tokens_estimated, ended_at, last_event_id) on parley.turns to :app;

drop policy if exists turns_owner_select on parley.turns;
create policy turns_owner_select on parley.turns for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turns_owner_select on parley.turns is 'People see their own rows.';

drop policy if exists turns_owner_insert on parley.turns;
create policy turns_owner_insert on parley.turns for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turns_owner_insert on parley.turns is 'People add rows only as themselves.';

drop policy if exists turns_owner_update on parley.turns;
create policy turns_owner_update on parley.turns for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turns_owner_update on parley.turns is 'People change their own rows.';
