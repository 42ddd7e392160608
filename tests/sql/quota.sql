-- Quotas a minute.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.become('ann');
create function pg_temp.take(p_kind text, p_amount integer, p_limit integer) returns integer language sql
    as $$ select parley.rate_take(tap.id('ann'), p_kind, p_amount, p_limit) $$;
create function pg_temp.used(p_kind text) returns integer language sql
    as $$ select used from parley.user_rates where kind = p_kind $$;

-- A minute may end between two statements: the counts are of one minute, so the row is kept in the present one.
create function pg_temp.hold() returns void language sql
    as $$ update parley.user_rates set window_start = date_trunc('minute', clock_timestamp()) $$;

select is(pg_temp.take('requests', 1, 3), 1, 'the first');
select pg_temp.hold();
select is(pg_temp.take('requests', 1, 3), 2, 'the second');
select pg_temp.hold();
select is(pg_temp.take('requests', 1, 3), 3, 'the last');
select pg_temp.hold();
select throws_ok($$ select pg_temp.take('requests', 1, 3) $$, 'PA429', 'requests_per_minute', 'one more is refused');
select is(pg_temp.used('requests'), 3, 'and not counted');
select pg_temp.hold();
select is(pg_temp.take('turns', 2, 5), 2, 'kinds are counted apart, amounts added');
select pg_temp.hold();
select throws_ok($$ select pg_temp.take('turns', 4, 5) $$, 'PA429', 'turns_per_minute', 'an amount that does not fit is refused whole');
select is(pg_temp.used('turns'), 2);
select is(pg_temp.take('turns', 1000, 0), 0, 'a limit of 0 is none');
select is(pg_temp.used('turns'), 2, 'and counts nothing');
select throws_ok($$ select pg_temp.take('sessions', 2, 1) $$, 'PA429', 'sessions_per_minute', 'more than the limit at once');
select is(pg_temp.used('sessions'), null, 'leaves no row');
select throws_ok($$ select pg_temp.take('sweets', 1, 5) $$, '23514', null, 'an unknown kind');

create function pg_temp.wait() returns integer language plpgsql as $$
declare
    v_detail text;
begin
    perform pg_temp.hold(), pg_temp.take('requests', 1, 3);
    return null;
exception
    when others then
        get stacked diagnostics v_detail = pg_exception_detail;
        return v_detail;
end
$$;
select ok(pg_temp.wait() between 1 and 60, 'a refusal says how many seconds to wait');

update parley.user_rates set window_start = window_start - interval '1 minute';
select is(pg_temp.take('requests', 1, 3), 1, 'the next minute begins with nothing');

select throws_ok($$ select parley.rate_take(tap.id('bob'), 'requests', 1, 3) $$, 'PA401', 'user_gone', 'nobody counts against another');
select tap.become('gone');
select throws_ok($$ select parley.rate_take(tap.id('gone'), 'requests', 1, 3) $$, 'PA401', 'user_gone', 'nor does who is gone');

select * from finish();
rollback;
