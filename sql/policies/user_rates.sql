-- Counts a minute are their owner's.

alter table parley.user_rates enable row level security;
alter table parley.user_rates force row level security;

revoke all on parley.user_rates from public;
grant select, insert on parley.user_rates to :app;
grant update (window_start, used) on parley.user_rates to :app;

drop policy if exists user_rates_owner_select on parley.user_rates;
create policy user_rates_owner_select on parley.user_rates for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_rates_owner_select on parley.user_rates is 'People see their own rows.';

drop policy if exists user_rates_owner_insert on parley.user_rates;
create policy user_rates_owner_insert on parley.user_rates for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_rates_owner_insert on parley.user_rates is 'People add rows only as themselves.';

drop policy if exists user_rates_owner_update on parley.user_rates;
create policy user_rates_owner_update on parley.user_rates for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_rates_owner_update on parley.user_rates is 'People change their own rows.';
