-- Events of a turn are its owner's; they are added, and removed when the turn is long over.

alter table parley.turn_events enable row level security;
alter table parley.turn_events force row level security;

revoke all on parley.turn_events from public;
grant select, insert, delete on parley.turn_events to :app;

drop policy if exists turn_events_owner_select on parley.turn_events;
create policy turn_events_owner_select on parley.turn_events for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turn_events_owner_select on parley.turn_events is 'People see their own rows.';

drop policy if exists turn_events_owner_insert on parley.turn_events;
create policy turn_events_owner_insert on parley.turn_events for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turn_events_owner_insert on parley.turn_events is 'People add rows only as themselves.';

drop policy if exists turn_events_owner_delete on parley.turn_events;
create policy turn_events_owner_delete on parley.turn_events for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy turn_events_owner_delete on parley.turn_events is 'People remove their own rows.';
