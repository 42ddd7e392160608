-- Signing in by e-mail, and staying so by refresh tokens.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');

create function pg_temp.login(p_email text) returns text language plpgsql as $$
begin
    perform tap.become_nobody();
    perform tap.claim('email', p_email);
    return (select password_hash from parley.login_begin(p_email, 10, interval '15 minutes'));
end
$$;

-- Attempts
select is(pg_temp.login('ann@example.org'), 'hash of ann', 'an attempt is answered with the hash to compare with');
select is((select user_id from parley.login_begin('ann@example.org', 10, interval '15 minutes')), tap.id('ann'), 'and with whose it is');
select is((select count(pg_temp.login('ann@example.org')) from generate_series(3, 10))::integer, 8, 'up to ten times');
select throws_ok($$ select pg_temp.login('ann@example.org') $$, 'PA429', 'too_many_logins', 'the eleventh is refused');
create function pg_temp.refusal() returns text language plpgsql as $$
declare
    v_detail text;
begin
    perform pg_temp.login('ann@example.org');
    return null;
exception
    when others then
        get stacked diagnostics v_detail = pg_exception_detail;
        return v_detail;
end
$$;
select cmp_ok(pg_temp.refusal()::integer, '>', 890, 'with the seconds to wait');
select is((select attempts from parley.login_attempts), 10, 'refusals do not count');
select is(pg_temp.login('bob@example.org'), 'hash of bob', 'other addresses are not touched');
select is(pg_temp.login('nobody@example.org'), null, 'an unknown address has no hash');
select is((select count(pg_temp.login('nobody@example.org')) from generate_series(2, 10))::integer, 0, 'nor later');
select throws_ok($$ select pg_temp.login('nobody@example.org') $$, 'PA429', 'too_many_logins', 'and is counted as a known one is');
select pg_temp.login('bob@example.org');
select throws_ok($$ select parley.login_begin('ann@example.org', 100, interval '1 minute') $$, '42501', null, 'the claim opens one address');
select throws_ok($$ select pg_temp.login(repeat('x', 300)) $$, '23514', null, 'an address has a bound');

-- The window ends, or a success does
select tap.stop();
update parley.login_attempts set window_start = now() - interval '16 minutes' where email = 'ann@example.org';
select is(pg_temp.login('ann@example.org'), 'hash of ann', 'after the window it begins anew');
select is((select attempts from parley.login_attempts), 1, 'from one');
delete from parley.login_attempts where email = 'ann@example.org';
select is_empty($$ select from parley.login_attempts $$, 'a success forgets');

-- Refresh tokens: h(x) is the hash of token x
create function pg_temp.h(word text) returns text language sql as $$ select encode(sha256(word::bytea), 'hex') $$;
create function pg_temp.rotate(token text, next text, family text default 'phone', life interval default '1 day') returns text
    language plpgsql as $$
begin
    perform tap.become_nobody();
    perform tap.claim('refresh', tap.id(family)::text);
    return parley.refresh_rotate(tap.id('ann'), tap.id(family), pg_temp.h(token), pg_temp.h(next), life);
end
$$;
select tap.become('ann');
insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at) values
    (tap.id('ann'), tap.id('phone'), pg_temp.h('p1'), now() + interval '1 day'),
    (tap.id('ann'), tap.id('laptop'), pg_temp.h('l1'), now() + interval '1 day'),
    (tap.id('ann'), tap.id('old'), pg_temp.h('o1'), now() - interval '1 second');

select is(pg_temp.rotate('p1', 'p2'), 'rotated', 'a token is used');
select is(pg_temp.rotate('p2', 'p3', life => interval '2 days'), 'rotated', 'and the next');
select results_eq(
    $$ select token_hash, revoked_at, expires_at > now() + interval '47 hours' from parley.refresh_tokens $$,
    $$ values (pg_temp.h('p3'), null::timestamptz, true) $$, 'the row holds the newest, with a new life');
select is(pg_temp.rotate('p1', 'p4'), 'reused', 'one that was used before is noticed');
select isnt((select revoked_at from parley.refresh_tokens), null, 'and its family revoked');
select is((select token_hash from parley.refresh_tokens), pg_temp.h('p3'), 'without a new token');
select is(pg_temp.rotate('p3', 'p4'), 'unknown', 'from then on the newest is refused too');
select is(pg_temp.rotate('l1', 'l2', 'laptop'), 'rotated', 'other sign-ins live on');
select is(pg_temp.rotate('o1', 'o2', 'old'), 'unknown', 'an expired token is refused');
select is((select revoked_at from parley.refresh_tokens), null, 'and revokes nothing');
select is(pg_temp.rotate('x', 'y', 'none'), 'unknown', 'an unknown family is refused');
select tap.claim('refresh', tap.id('laptop')::text);
select is(parley.refresh_rotate(tap.id('bob'), tap.id('laptop'), pg_temp.h('l2'), pg_temp.h('l3'), '1 day'), 'unknown',
    'a family under another''s name is unknown');
select is(parley.refresh_rotate(tap.id('ann'), tap.id('phone'), pg_temp.h('p3'), pg_temp.h('p4'), '1 day'), 'unknown',
    'the claim opens one family');
select tap.become_nobody();
select is(parley.refresh_rotate(tap.id('ann'), tap.id('laptop'), pg_temp.h('l2'), pg_temp.h('l3'), '1 day'), 'unknown',
    'without the claim there is none');

select * from finish();
rollback;
