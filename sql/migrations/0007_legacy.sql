-- Who was brought here from another application's database.

create table parley.legacy_owners (
    user_id    uuid        not null,
    source     text        not null,
    legacy_id  text        not null,
    email      text,
    tokens     bigint      not null default 0,
    created_at timestamptz not null default now(),
    constraint legacy_owners_pkey primary key (user_id, source, legacy_id),
    constraint legacy_owners_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint legacy_owners_source_length check (char_length(source) between 1 and 200),
    constraint legacy_owners_legacy_id_length check (char_length(legacy_id) between 1 and 400),
    constraint legacy_owners_tokens_sane check (tokens >= 0)
);
comment on table parley.legacy_owners is 'Whom `parley import-legacy` has met: which person here is which person there.';
comment on column parley.legacy_owners.user_id is 'The person here.';
comment on column parley.legacy_owners.source is 'The database they came from, as --source named it.';
comment on column parley.legacy_owners.legacy_id is 'Their id there.';
comment on column parley.legacy_owners.email is 'The address that stood there; not verified.';
comment on column parley.legacy_owners.tokens is 'How many of the tokens used there are counted here already.';
comment on column parley.legacy_owners.created_at is 'When they were first imported.';
