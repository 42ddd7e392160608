-- A request that is sent twice is done once.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.become('ann');
create function pg_temp.begin_request(p_key text, p_hash text, p_keep interval default '1 day') returns void language sql
    as $$ select parley.idempotency_begin(current_setting('parley.user_id')::uuid, p_key, p_hash, p_keep) $$;

select lives_ok($$ select pg_temp.begin_request('k', 'h1') $$, 'a new key goes on');
select results_eq(
    $$ select request_hash, status, location, body, expires_at - created_at from parley.idempotency_keys $$,
    $$ values ('h1', null::integer, null::text, null::text, interval '1 day') $$, 'and is kept without an answer yet');
update parley.idempotency_keys set status = 201, location = '/x', body = '{}' where key = 'k';
select throws_ok($$ select pg_temp.begin_request('k', 'h1') $$, 'PA409', 'idempotency_replay', 'the same request again');
select throws_ok($$ select pg_temp.begin_request('k', 'h2') $$, 'PA422', 'idempotency_key_reused', 'the key with another request');
select results_eq(
    $$ select request_hash, status, location, body from parley.idempotency_keys $$,
    $$ values ('h1', 201, '/x', '{}') $$, 'the answer stays');
select lives_ok($$ select pg_temp.begin_request('k2', 'h1') $$, 'another key goes on');
select throws_ok($$ select pg_temp.begin_request('', 'h1') $$, '23514', null, 'a key is not empty');
select throws_ok($$ select pg_temp.begin_request(repeat('k', 256), 'h1') $$, '23514', null, 'nor endless');

-- Keys are their owner's
select tap.become('bob');
select lives_ok($$ select pg_temp.begin_request('k', 'h9') $$, 'the same key of another person goes on');
select throws_ok(
    $$ select parley.idempotency_begin(tap.id('ann'), 'k9', 'h1', '1 day') $$, 'PA401', 'user_gone', 'nobody claims one for another');

-- An outlived key is new
select tap.become('ann');
update parley.idempotency_keys set expires_at = now() where key = 'k';
select lives_ok($$ select pg_temp.begin_request('k', 'h2') $$, 'an outlived key goes on with another request');
select results_eq(
    $$ select request_hash, status, location, body from parley.idempotency_keys where key = 'k' $$,
    $$ values ('h2', null::integer, null::text, null::text) $$, 'and the old answer is forgotten');

select * from finish();
rollback;
