-- What people use, how fast they may, and which of their requests were done already.

create table parley.user_usage (
    user_id           uuid        not null,
    session_count     integer     not null default 0,
    prompt_tokens     bigint      not null default 0,
    completion_tokens bigint      not null default 0,
    total_tokens      bigint      not null default 0,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    constraint user_usage_pkey primary key (user_id),
    constraint user_usage_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint user_usage_counts_sane check (session_count >= 0)
);
comment on table parley.user_usage is 'Running totals of one person.';
comment on column parley.user_usage.user_id is 'Whose they are.';
comment on column parley.user_usage.session_count is 'Sessions that are not hidden.';
comment on column parley.user_usage.prompt_tokens is 'Tokens read by models for them.';
comment on column parley.user_usage.completion_tokens is 'Tokens written by models for them.';
comment on column parley.user_usage.total_tokens is 'The sum of both.';
comment on column parley.user_usage.created_at is 'Since when it is counted.';
comment on column parley.user_usage.updated_at is 'When it last changed.';

create table parley.user_rates (
    user_id      uuid        not null,
    kind         text        not null,
    window_start timestamptz not null,
    used         integer     not null,
    constraint user_rates_pkey primary key (user_id, kind),
    constraint user_rates_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint user_rates_kind_known check (kind in ('requests', 'sessions', 'turns'))
);
comment on table parley.user_rates is 'How much of a quota a minute is used.';
comment on column parley.user_rates.user_id is 'Whose.';
comment on column parley.user_rates.kind is 'requests, sessions or turns.';
comment on column parley.user_rates.window_start is 'The minute that is counted.';
comment on column parley.user_rates.used is 'How many in it.';

create table parley.idempotency_keys (
    user_id      uuid        not null,
    key          text        not null,
    request_hash text        not null,
    status       integer,
    location     text,
    body         text,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    constraint idempotency_keys_pkey primary key (user_id, key),
    constraint idempotency_keys_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint idempotency_keys_key_length check (char_length(key) between 1 and 255)
);
create index idempotency_keys_expires_idx on parley.idempotency_keys (expires_at);
comment on table parley.idempotency_keys is 'Answers that were given, so that a request which is sent twice is done once.';
comment on column parley.idempotency_keys.user_id is 'Whose request.';
comment on column parley.idempotency_keys.key is 'The Idempotency-Key header.';
comment on column parley.idempotency_keys.request_hash is 'SHA-256 over method, path and body.';
comment on column parley.idempotency_keys.status is 'The answer''s HTTP status.';
comment on column parley.idempotency_keys.location is 'The answer''s Location header.';
comment on column parley.idempotency_keys.body is 'The answer''s body.';
comment on column parley.idempotency_keys.created_at is 'When the request was done.';
comment on column parley.idempotency_keys.expires_at is 'When the key may be used anew.';
