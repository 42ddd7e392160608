-- Signing in, by the claims parley.email and parley.refresh.

-- Counts an attempt to sign in before the password is looked at, so that parallel guesses count too. Answers whose address it is and the
-- hash to compare with; no row for an unknown address, whose attempts count all the same.
create or replace function parley.login_begin(p_email text, p_attempts integer, p_window interval)
    returns table (user_id uuid, password_hash text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_attempts integer;
    v_start timestamptz;
begin
    insert into parley.login_attempts as a (email, window_start, attempts)
        values (p_email, clock_timestamp(), 1)
        on conflict (email) do update
            set attempts = case when a.window_start + p_window > excluded.window_start then a.attempts else 0 end + 1,
                window_start = case when a.window_start + p_window > excluded.window_start
                    then a.window_start else excluded.window_start end
        returning a.attempts, a.window_start into v_attempts, v_start;
    if v_attempts > p_attempts then
        raise exception using
            errcode = 'PA429',
            message = 'too_many_logins',
            detail = greatest(1, ceil(extract(epoch from v_start + p_window - clock_timestamp())))::text,
            hint = 'Too many failed sign-ins for this address.';
    end if;
    return query select e.user_id, e.password_hash from parley.user_emails e where e.email = p_email;
end
$$;
comment on function parley.login_begin(text, integer, interval) is 'Counts a sign-in attempt and answers the address'' login.';

-- Lets a sign-in go on only while the hash that was compared is still the address' own, and holds it until the end of the transaction: hashing takes
-- a while, in which the password may have been changed.
create or replace function parley.login_hold(p_user_id uuid, p_password_hash text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from parley.user_emails e where e.user_id = p_user_id and e.password_hash = p_password_hash for update;
    if not found then
        raise exception using
            errcode = 'PA401', message = 'invalid_credentials', hint = 'The e-mail address or the password is wrong.';
    end if;
end
$$;
comment on function parley.login_hold(uuid, text) is 'Refuses a sign-in whose password was changed meanwhile.';

-- Uses a refresh token: p_family_id finds its row, p_token_hash proves it, p_next_hash takes its place. A token of a known family that does not
-- prove itself was used before: the whole family is revoked, and that must be committed, so it is an answer, not an error.
create or replace function parley.refresh_rotate(
    p_user_id uuid, p_family_id uuid, p_token_hash text, p_next_hash text, p_lifetime interval)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_family parley.refresh_tokens;
begin
    select * into v_family from parley.refresh_tokens t
        where t.user_id = p_user_id and t.family_id = p_family_id for update;
    if not found or v_family.revoked_at is not null or v_family.expires_at <= clock_timestamp() then
        return 'unknown';
    end if;
    if v_family.token_hash <> p_token_hash then
        update parley.refresh_tokens t set revoked_at = clock_timestamp()
            where t.user_id = p_user_id and t.family_id = p_family_id;
        return 'reused';
    end if;
    update parley.refresh_tokens t
        set token_hash = p_next_hash, rotated_at = clock_timestamp(), expires_at = clock_timestamp() + p_lifetime
        where t.user_id = p_user_id and t.family_id = p_family_id;
    return 'rotated';
end
$$;
comment on function parley.refresh_rotate(uuid, uuid, text, text, interval) is 'Uses a refresh token once; a second use revokes its family.';
