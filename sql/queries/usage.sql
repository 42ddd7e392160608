-- What a person has used, and quotas.

-- name: usage_get
select u.session_count, u.prompt_tokens, u.completion_tokens, u.total_tokens, u.created_at, u.updated_at,
    (select coalesce(sum(s.message_count), 0) from parley.chat_sessions s
     where s.user_id = $1::uuid and s.deleted_at is null) as message_count,
    u.estimated_tokens > 0 as tokens_estimated
from parley.user_usage u
where u.user_id = $1::uuid;

-- name: rate_take
-- $2 kind, $3 amount, $4 limit.
select parley.rate_take($1::uuid, $2::text, $3::integer, $4::integer);

-- name: idempotency_begin
-- $2 key, $3 hash of the request, $4 hours it is kept.
select parley.idempotency_begin($1::uuid, $2::text, $3::text, make_interval(hours => $4::integer));

-- name: idempotency_store
-- $3 status, $4 location, $5 body.
update parley.idempotency_keys set status = $3::integer, location = $4::text, body = $5::text
where user_id = $1::uuid and key = $2::text;

-- name: idempotency_replay
select status, location, body from parley.idempotency_keys
where user_id = $1::uuid and key = $2::text;
