-- A request that is sent twice is done once.

-- Claims a key for a request. It goes on only for a new (or outlived) key; a key that was used refuses: PA409 idempotency_replay when the stored answer
-- is to be given again, PA422 when the key came with another request. While another request with the key is under way this waits for it. A
-- person who is gone is refused (PA401).
create or replace function parley.idempotency_begin(
    p_user_id uuid, p_key text, p_request_hash text, p_keep interval)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_hash text;
begin
    insert into parley.idempotency_keys as k (user_id, key, request_hash, expires_at)
        select u.user_id, p_key, p_request_hash, now() + p_keep from parley.users u where u.user_id = p_user_id
        on conflict (user_id, key) do update
            set request_hash = excluded.request_hash, status = null, location = null, body = null, turn_id = null,
                created_at = excluded.created_at, expires_at = excluded.expires_at
            where k.expires_at <= now();
    if found then
        return;
    end if;
    if not exists (select from parley.users u where u.user_id = p_user_id) then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    select k.request_hash into v_hash from parley.idempotency_keys k where k.user_id = p_user_id and k.key = p_key;
    if v_hash is distinct from p_request_hash then
        raise exception using
            errcode = 'PA422', message = 'idempotency_key_reused',
            hint = 'This Idempotency-Key was used for another request.';
    end if;
    raise exception using errcode = 'PA409', message = 'idempotency_replay', hint = 'This request was done before.';
end
$$;
comment on function parley.idempotency_begin(uuid, text, text, interval) is 'Claims an idempotency key, or refuses.';
