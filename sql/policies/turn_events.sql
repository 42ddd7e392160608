-- Events of a turn are its owner's; they are added, and marked for removal when the turn is over. The claim parley.purge opens what is due.
-- A CASE for the same reason as in chat_sessions.sql.

alter table parley.turn_events enable row level security;
alter table parley.turn_events force row level security;

revoke all on parley.turn_events from public;
grant select, insert, delete on parley.turn_events to :app;
grant update (purge_at) on parley.turn_events to :app;

drop policy if exists turn_events_owner_select on parley.turn_events;
create policy turn_events_owner_select on parley.turn_events for select
    using (case current_setting('parley.purge', true)
        when 'due' then purge_at < now()
        else user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        end);
comment on policy turn_events_owner_select on parley.turn_events is 'People see their own; purging sees those whose time is over.';

drop policy if exists turn_events_owner_insert on parley.turn_events;
create policy turn_events_owner_insert on parley.turn_events for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turn_events_owner_insert on parley.turn_events is 'People add rows only as themselves.';

drop policy if exists turn_events_owner_update on parley.turn_events;
create policy turn_events_owner_update on parley.turn_events for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turn_events_owner_update on parley.turn_events is 'People change their own rows.';

drop policy if exists turn_events_owner_delete on parley.turn_events;
create policy turn_events_owner_delete on parley.turn_events for delete
    using (case current_setting('parley.purge', true)
        when 'due' then purge_at < now()
        else user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        end);
comment on policy turn_events_owner_delete on parley.turn_events is 'People remove their own; purging removes those whose time is over.';
