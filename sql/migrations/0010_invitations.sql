-- Invitations end when a member is removed.

alter table parley.projects add column invitation_round integer not null default 1;
comment on column parley.projects.invitation_round is 'Invitations of this round are good; removing a member begins the next.';

-- It takes the round now.
drop function if exists parley.project_join(uuid, uuid, uuid);
