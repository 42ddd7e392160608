-- Projects and their members.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.person('cy');
select tap.become('ann');

select results_eq(
    $$ select user_id, project_id, name, description from parley.project_create(tap.id('ann'), tap.id('p'), 'Garden', 'Roses') $$,
    $$ values (tap.id('ann'), tap.id('p'), 'Garden', 'Roses') $$, 'a project is made');
select results_eq(
    $$ select project_id, owner_id, name from parley.user_projects where user_id = tap.id('ann') $$,
    $$ values (tap.id('p'), tap.id('ann'), 'Garden') $$, 'its owner is a member');
select throws_ok($$ select parley.project_create(tap.id('ann'), tap.id('q'), '', null) $$, '23514', null, 'a name is not empty');
select throws_ok($$ select parley.project_create(tap.id('bob'), tap.id('q'), 'Mine', null) $$, 'PA401', 'user_gone', 'nobody makes one for another');
select parley.project_create(tap.id('ann'), tap.id('q'), 'Kitchen', null);

-- A member. Who is invited is for the caller to know; that nobody joins what is not there, or for another, is known here.
select tap.become('bob');
select throws_ok($$ select parley.project_join(tap.id('bob'), tap.id('bob'), tap.id('p'), 1) $$, 'PA404', 'project_not_found', 'a project is joined at its owner');
select throws_ok($$ select parley.project_join(tap.id('bob'), tap.id('ann'), tap.id('none'), 1) $$, 'PA404', 'project_not_found', 'and must be there');
select throws_ok($$ select parley.project_join(tap.id('cy'), tap.id('ann'), tap.id('p'), 1) $$, 'PA401', 'user_gone', 'nobody joins another');
select throws_ok(
    $$ insert into parley.user_projects (user_id, project_id, owner_id, name) values (tap.id('bob'), tap.id('p'), tap.id('ann'), 'x') $$,
    '42501', null, 'nor without the claim that opens the project');
select results_eq(
    $$ select owner_id, name from parley.project_join(tap.id('bob'), tap.id('ann'), tap.id('p'), 1) $$,
    $$ values (tap.id('ann'), 'Garden') $$, 'an invited person joins');
select lives_ok($$ select parley.project_join(tap.id('bob'), tap.id('ann'), tap.id('p'), 1) $$, 'twice is once');
select throws_ok(
    $$ select parley.project_join(tap.id('bob'), tap.id('ann'), tap.id('p'), 2) $$, 'PA404', 'project_not_found', 'by an invitation of this round');
select results_eq($$ select name from parley.user_projects $$, array['Garden'], 'a member''s list has it');
select is_empty($$ select from parley.projects $$, 'the project itself is closed to the member');
select tap.claim('project', tap.id('p')::text);
select results_eq($$ select description from parley.projects $$, array['Roses'], 'until the claim parley.project opens it');
select lives_ok(
    $$ select parley.session_create(tap.id('bob'), tap.id('bs'), null, tap.id('p'), null, 0, 0) $$, 'a member has sessions in it');
select throws_ok(
    $$ select parley.session_create(tap.id('bob'), tap.id('b2'), null, tap.id('q'), null, 0, 0) $$, 'PA404', 'project_not_found',
    'but not in a project of others');
select throws_ok(
    $$ select parley.project_update(tap.id('bob'), tap.id('p'), 'Mine', false, null) $$, 'PA404', 'project_not_found', 'nor renames it');
select throws_ok(
    $$ select parley.project_update(tap.id('ann'), tap.id('p'), 'Mine', false, null) $$, 'PA404', 'project_not_found', 'nor as its owner');
select tap.become('ann');
select parley.session_create(tap.id('ann'), tap.id('as'), null, tap.id('p'), null, 0, 0);
select results_eq(
    $$ select project_id from parley.session_update(tap.id('ann'), tap.id('as'), false, null, null, true, tap.id('q'), false, null) $$,
    $$ values (tap.id('q')) $$, 'a session moves to another project');
select parley.session_update(tap.id('ann'), tap.id('as'), false, null, null, true, tap.id('p'), false, null);

-- Changes
select results_eq(
    $$ select name, description from parley.project_update(tap.id('ann'), tap.id('p'), 'Orchard', false, 'ignored') $$,
    $$ values ('Orchard', 'Roses') $$, 'a new name');
select results_eq(
    $$ select name, description from parley.project_update(tap.id('ann'), tap.id('p'), null, true, null) $$,
    $$ values ('Orchard', null::text) $$, 'no description any more');
select throws_ok(
    $$ select parley.project_update(tap.id('ann'), tap.id('nothing'), 'x', false, null) $$, 'PA404', 'project_not_found');
select tap.become('bob');
select results_eq($$ select name from parley.user_projects $$, array['Orchard'], 'members see the new name');

-- Leaving and removing
select tap.become('cy');
select throws_ok($$ select parley.project_delete(tap.id('cy'), tap.id('p')) $$, 'PA404', 'project_not_found', 'a stranger removes nothing');
select throws_ok($$ select parley.project_delete(tap.id('ann'), tap.id('p')) $$, 'PA404', 'project_not_found', 'nor as its owner');
select tap.become('bob');
select lives_ok($$ select parley.project_delete(tap.id('bob'), tap.id('p')) $$, 'a member leaves');
select is((select project_id from parley.chat_sessions where session_id = tap.id('bs')), null, 'the member''s sessions stay, outside of it');
select tap.become('ann');
select results_eq(
    $$ select p.name, m.name from parley.projects p join parley.user_projects m using (project_id) where project_id = tap.id('p') $$,
    $$ values ('Orchard', 'Orchard') $$, 'the project is still there');
select tap.stop();
insert into parley.user_projects (user_id, project_id, owner_id, name) values (tap.id('bob'), tap.id('p'), tap.id('ann'), 'Orchard');
select tap.become('bob');
select parley.session_update(tap.id('bob'), tap.id('bs'), false, null, null, true, tap.id('p'), false, null);
select tap.become('ann');
select lives_ok($$ select parley.project_delete(tap.id('ann'), tap.id('p')) $$, 'the owner removes it');
select tap.stop();
select is_empty($$ select from parley.projects where project_id = tap.id('p') $$, 'it is gone');
select is_empty($$ select from parley.user_projects where project_id = tap.id('p') $$, 'for all members');
select results_eq(
    $$ select project_id from parley.chat_sessions where session_id in (tap.id('as'), tap.id('bs')) $$,
    $$ values (null::uuid), (null::uuid) $$, 'all sessions stay, outside of it');
select results_eq($$ select name from parley.projects $$, array['Kitchen'], 'the other project is as it was');

select * from finish();
rollback;
