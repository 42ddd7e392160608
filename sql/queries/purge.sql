-- Removing what is over. Under the claim parley.purge, which opens only rows that are due.

-- name: purge_sessions
-- At most $1 a run, so that no transaction is long.
delete from parley.chat_sessions where (user_id, session_id) in (
    select user_id, session_id from parley.chat_sessions where purge_at < now() limit $1::integer);

-- name: purge_idempotency_keys
delete from parley.idempotency_keys where (user_id, key) in (
    select user_id, key from parley.idempotency_keys where expires_at < now() limit $1::integer);

-- name: purge_refresh_tokens
delete from parley.refresh_tokens where (user_id, family_id) in (
    select user_id, family_id from parley.refresh_tokens where expires_at < now() limit $1::integer);

-- name: purge_login_attempts
delete from parley.login_attempts where email in (
    select email from parley.login_attempts where window_start < now() - interval '1 day' limit $1::integer);

-- name: purge_turn_events
delete from parley.turn_events where (user_id, turn_id, event_id) in (
    select user_id, turn_id, event_id from parley.turn_events where purge_at < now() limit $1::integer);
