-- Signing in and staying so.

-- name: login_begin
-- Under the claim parley.email. $2 attempts, $3 seconds of the window.
select user_id, password_hash
from parley.login_begin($1::text, $2::integer, make_interval(secs => $3::integer));

-- name: login_untried
-- Under the claim parley.email: takes back an attempt whose password nobody looked at.
update parley.login_attempts set attempts = attempts - 1 where email = $1::text and attempts > 0;

-- name: login_hold
-- $2 the hash that was compared.
select parley.login_hold($1::uuid, $2::text);

-- name: login_succeeded
-- Under the claim parley.email: forgets the attempts.
delete from parley.login_attempts where email = $1::text;

-- name: refresh_create
-- $2 family, $3 hash of the token, $4 seconds it may be used.
insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at)
values ($1::uuid, $2::uuid, $3::text, now() + make_interval(secs => $4::integer));

-- name: refresh_rotate
-- Under the claim parley.refresh. $3 hash of the token, $4 of the next, $5 seconds that may be used. Answers rotated, reused or unknown.
select parley.refresh_rotate($1::uuid, $2::uuid, $3::text, $4::text, make_interval(secs => $5::integer));

-- name: refresh_revoke
-- Under the claim parley.refresh: signs this family out, if the token ($3, hash) is its current one.
update parley.refresh_tokens set revoked_at = now()
where user_id = $1::uuid and family_id = $2::uuid and token_hash = $3::text and revoked_at is null;

-- name: refresh_revoke_all
-- Signs a person out everywhere.
update parley.refresh_tokens set revoked_at = now()
where user_id = $1::uuid and revoked_at is null;

-- name: login_find
-- Under the claim parley.email: whose address it is, without counting an attempt.
select user_id from parley.user_emails
where email = $1::text;
