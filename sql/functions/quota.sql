-- Quotas a minute, counted in the transaction that uses them.

-- Adds p_amount to what p_user_id used of p_kind in this minute and answers the sum. Beyond p_limit it refuses, and with the refusal
-- nothing is counted. p_limit 0: no limit. The DETAIL of a refusal is the number of seconds to wait. A person
-- who is gone is refused too (PA401).
create or replace function parley.rate_take(p_user_id uuid, p_kind text, p_amount integer, p_limit integer)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_window timestamptz := date_trunc('minute', clock_timestamp());
    v_used integer;
begin
    if p_limit = 0 then
        return 0;
    end if;
    insert into parley.user_rates as r (user_id, kind, window_start, used)
        select u.user_id, p_kind, v_window, p_amount from parley.users u where u.user_id = p_user_id
        on conflict (user_id, kind) do update
            set used = case when r.window_start = excluded.window_start then r.used else 0 end + excluded.used,
                window_start = excluded.window_start
        returning r.used into v_used;
    if not found then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    if v_used > p_limit then
        raise exception using
            errcode = 'PA429',
            message = p_kind || '_per_minute',
            detail = greatest(1, ceil(extract(epoch from v_window + interval '1 minute' - clock_timestamp())))::text,
            hint = 'Too many ' || p_kind || ' in one minute.';
    end if;
    return v_used;
end
$$;
comment on function parley.rate_take(uuid, text, integer, integer) is 'Counts against a quota a minute, or refuses (PA429).';
