-- Signing up and leaving.

-- Stores a new person with their login. A registered address is refused (PA409).
create or replace function parley.user_create(
    p_user_id uuid, p_email text, p_password_hash text, p_display_name text, p_avatar_url text)
    returns setof parley.users
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into parley.user_emails (email, user_id, password_hash) values (p_email, p_user_id, p_password_hash)
        on conflict (email) do nothing;
    if not found then
        raise exception using
            errcode = 'PA409', message = 'email_taken', hint = 'This e-mail address is registered already.';
    end if;
    return query insert into parley.users (user_id, display_name, avatar_url)
        values (p_user_id, p_display_name, p_avatar_url) returning *;
    insert into parley.user_usage (user_id) values (p_user_id);
end
$$;
comment on function parley.user_create(uuid, text, text, text, text) is 'Signs a person up.';

-- Removes a person and everything that is theirs. Members lose the projects that this person owned. Failed sign-ins
-- hold the address, and only the claim parley.email opens them: it is set for this one deletion.
create or replace function parley.user_delete(p_user_id uuid)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_deleted integer;
    v_email text;
begin
    for v_email in delete from parley.user_emails e where e.user_id = p_user_id returning e.email loop
        perform set_config('parley.email', v_email, true);
        delete from parley.login_attempts a where a.email = v_email;
        perform set_config('parley.email', '', true);
    end loop;
    perform parley.project_lock(p.project_id) from parley.projects p where p.user_id = p_user_id order by p.project_id;
    delete from parley.user_projects p where p.owner_id = p_user_id;
    delete from parley.users u where u.user_id = p_user_id;
    get diagnostics v_deleted = row_count;
    return v_deleted;
end
$$;
comment on function parley.user_delete(uuid) is 'Removes a person and all of their rows.';
