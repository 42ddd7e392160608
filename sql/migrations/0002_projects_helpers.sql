-- What sessions are grouped by and who answers in them.

create table parley.projects (
    user_id     uuid        not null,
    project_id  uuid        not null,
    name        text        not null,
    description text,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    constraint projects_pkey primary key (user_id, project_id),
    constraint projects_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint projects_name_length check (char_length(name) between 1 and 200),
    constraint projects_description_length check (char_length(description) <= 10000)
);
comment on table parley.projects is 'A project, kept with its owner; members open it by the claim parley.project.';
comment on column parley.projects.user_id is 'The owner.';
comment on column parley.projects.project_id is 'UUIDv7.';
comment on column parley.projects.name is 'Its name; copied into every member''s row of user_projects.';
comment on column parley.projects.description is 'What it is about.';
comment on column parley.projects.created_at is 'When it was made.';
comment on column parley.projects.updated_at is 'When it last changed.';

-- No foreign key to projects: members' rows lie with the members. project_delete removes them.
create table parley.user_projects (
    user_id    uuid        not null,
    project_id uuid        not null,
    owner_id   uuid        not null,
    name       text        not null,
    created_at timestamptz not null default now(),
    constraint user_projects_pkey primary key (user_id, project_id),
    constraint user_projects_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint user_projects_name_length check (char_length(name) between 1 and 200)
);
create index user_projects_owner_idx on parley.user_projects (owner_id, project_id);
comment on table parley.user_projects is 'Who may use which project; all that a list of projects needs.';
comment on column parley.user_projects.user_id is 'The member (the owner is one).';
comment on column parley.user_projects.project_id is 'The project.';
comment on column parley.user_projects.owner_id is 'Whose project it is; the owner may rename and remove.';
comment on column parley.user_projects.name is 'The project''s name.';
comment on column parley.user_projects.created_at is 'Since when they are a member.';

create table parley.helpers (
    name          text        not null,
    display_name  text        not null,
    model         text,
    system_prompt text,
    greeting      text,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    constraint helpers_pkey primary key (name),
    constraint helpers_name_shape check (name ~ '^[a-z][a-z0-9_-]{0,63}$')
);
comment on table parley.helpers is 'Named assistants, the same for everybody; written by the administrator.';
comment on column parley.helpers.name is 'What sessions and requests call it.';
comment on column parley.helpers.display_name is 'What people read.';
comment on column parley.helpers.model is 'The model that answers; NULL: the configured one.';
comment on column parley.helpers.system_prompt is 'What the model is told first; never sent to a client.';
comment on column parley.helpers.greeting is 'The first message of a session with it.';
comment on column parley.helpers.created_at is 'When it was made.';
comment on column parley.helpers.updated_at is 'When it last changed.';
