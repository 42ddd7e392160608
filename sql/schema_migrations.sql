-- What `parley migrate` runs first, when the schema is not there: the schema, and the table in which it keeps what it did.
-- Its grants stand in policies/schema_migrations.sql.
create schema if not exists parley;
comment on schema parley is 'Chat sessions, kept by Parley.';

create table if not exists parley.schema_migrations (
    number integer not null,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now(),
    constraint schema_migrations_pkey primary key (number)
);
comment on table parley.schema_migrations is
    'One row for each migration that was applied, and number 0 for the functions, policies and views as they stand.';
comment on column parley.schema_migrations.number is 'The number at the head of the file''s name.';
comment on column parley.schema_migrations.name is 'The file''s name without .sql; ''repeatable'' for number 0.';
comment on column parley.schema_migrations.sha256 is 'Hash of the text that was run: a changed old file is an error.';
comment on column parley.schema_migrations.applied_at is 'When it was run.';

alter table parley.schema_migrations enable row level security;
alter table parley.schema_migrations force row level security;
-- FORCE holds for the owner too, so that it needs policies to write. Reading is open to whoever has the grant.
create policy schema_migrations_reader on parley.schema_migrations for select using (true);
create policy schema_migrations_owner_adds on parley.schema_migrations for insert to current_user with check (true);
create policy schema_migrations_owner_updates on parley.schema_migrations
    for update to current_user using (true) with check (true);
comment on policy schema_migrations_reader on parley.schema_migrations is 'The version is no secret.';
comment on policy schema_migrations_owner_adds on parley.schema_migrations is 'parley migrate notes what it applied.';
comment on policy schema_migrations_owner_updates on parley.schema_migrations is
    'parley migrate notes the new hash of what it replaced.';
