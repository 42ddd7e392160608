-- Projects and their members.

-- Makes a project; its owner is its first member. A person who is gone is refused (PA401).
create or replace function parley.project_create(p_user_id uuid, p_project_id uuid, p_name text, p_description text)
    returns setof parley.projects
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into parley.user_projects (user_id, project_id, owner_id, name)
        select u.user_id, p_project_id, u.user_id, p_name from parley.users u where u.user_id = p_user_id;
    if not found then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    return query insert into parley.projects (user_id, project_id, name, description)
        values (p_user_id, p_project_id, p_name, p_description) returning *;
end
$$;
comment on function parley.project_create(uuid, uuid, text, text) is 'Makes a project.';

-- Whoever changes who is in a project, or what it is called, waits here for the others: a member cannot lock the owner's row.
create or replace function parley.project_lock(p_project_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('parley project ' || p_project_id, 0));
end
$$;
comment on function parley.project_lock(uuid) is 'Lets one at a time change who is in a project.';

-- Lets p_user_id join a project of p_owner_id that they are invited to: the caller has read the invitation, which is of p_round. The claim
-- parley.project, set for these statements alone, opens the project's row and lets the membership be written. Joining twice changes nothing.
create or replace function parley.project_join(p_user_id uuid, p_owner_id uuid, p_project_id uuid, p_round integer)
    returns setof parley.user_projects
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_project parley.projects;
begin
    if not exists (select from parley.users u where u.user_id = p_user_id) then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    perform parley.project_lock(p_project_id);
    perform set_config('parley.project', p_project_id::text, true);
    select * into v_project from parley.projects p
        where p.user_id = p_owner_id and p.project_id = p_project_id and p.invitation_round = p_round;
    if not found then
        raise exception using errcode = 'PA404', message = 'project_not_found',
            hint = 'No such project, or the invitation to it has ended.';
    end if;
    insert into parley.user_projects (user_id, project_id, owner_id, name)
        values (p_user_id, p_project_id, p_owner_id, v_project.name)
        on conflict (user_id, project_id) do nothing;
    perform set_config('parley.project', '', true);
    return query select * from parley.user_projects p where p.user_id = p_user_id and p.project_id = p_project_id;
end
$$;
comment on function parley.project_join(uuid, uuid, uuid, integer) is 'Makes an invited person a member of a project.';

-- Ends a membership: a member's own, or another's by the project's owner; the latter ends the project's invitations too, since who is removed may
-- hold one. The owner's own membership is the project itself.
create or replace function parley.project_part(p_user_id uuid, p_project_id uuid, p_member_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform parley.project_lock(p_project_id);
    delete from parley.user_projects p
        where p.project_id = p_project_id and p.user_id = p_member_id and p.owner_id <> p_member_id
            and (p.user_id = p_user_id or p.owner_id = p_user_id);
    if not found then
        raise exception using errcode = 'PA404', message = 'member_not_found', hint = 'No such member.';
    end if;
    if p_member_id <> p_user_id then
        update parley.projects p set invitation_round = p.invitation_round + 1
            where p.user_id = p_user_id and p.project_id = p_project_id;
    end if;
end
$$;
comment on function parley.project_part(uuid, uuid, uuid) is 'Ends a membership.';

-- Changes a project of p_user_id; a new name is copied to all members.
create or replace function parley.project_update(
    p_user_id uuid, p_project_id uuid, p_name text, p_set_description boolean, p_description text)
    returns setof parley.projects
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_name is not null then
        perform parley.project_lock(p_project_id);
        update parley.user_projects p set name = p_name where p.owner_id = p_user_id and p.project_id = p_project_id;
    end if;
    return query update parley.projects p set
            name = coalesce(p_name, p.name),
            description = case when p_set_description then p_description else p.description end,
            updated_at = now()
        where p.user_id = p_user_id and p.project_id = p_project_id
        returning *;
    if not found then
        raise exception using errcode = 'PA404', message = 'project_not_found', hint = 'No such project.';
    end if;
end
$$;
comment on function parley.project_update(uuid, uuid, text, boolean, text) is 'Renames or describes a project.';

-- Removes a project of p_user_id for all members; a member who does not own it leaves it. Sessions stay, outside of any project.
create or replace function parley.project_delete(p_user_id uuid, p_project_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform parley.project_lock(p_project_id);
    delete from parley.user_projects p
        where p.project_id = p_project_id and (p.user_id = p_user_id or p.owner_id = p_user_id);
    if not found then
        raise exception using errcode = 'PA404', message = 'project_not_found', hint = 'No such project.';
    end if;
    delete from parley.projects p where p.user_id = p_user_id and p.project_id = p_project_id;
end
$$;
comment on function parley.project_delete(uuid, uuid) is 'Removes a project, or leaves it.';
