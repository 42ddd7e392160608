-- People, how they sign in, and what proves later that they did.

create table parley.users (
    user_id      uuid        not null,
    display_name text,
    avatar_url   text,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    constraint users_pkey primary key (user_id),
    constraint users_display_name_length check (char_length(display_name) between 1 and 200),
    constraint users_avatar_url_length check (char_length(avatar_url) <= 2048)
);
comment on table parley.users is 'One row a person.';
comment on column parley.users.user_id is 'UUIDv7, made by the program; the sharding key of every per-user table.';
comment on column parley.users.display_name is 'What to call them; NULL when they did not say.';
comment on column parley.users.avatar_url is 'A picture elsewhere; never fetched here.';
comment on column parley.users.created_at is 'When they signed up.';
comment on column parley.users.updated_at is 'When the row last changed.';

-- Keyed by the address, so that it is unique without a look at anybody else's row. No foreign key to users: on a sharded database
-- the two lie apart; user_delete removes both.
create table parley.user_emails (
    email         text        not null,
    user_id       uuid        not null,
    password_hash text        not null,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    constraint user_emails_pkey primary key (email),
    constraint user_emails_email_shape check (email = lower(email) and char_length(email) <= 254)
);
create index user_emails_user_id_idx on parley.user_emails (user_id);
comment on table parley.user_emails is 'The login of an e-mail address.';
comment on column parley.user_emails.email is 'The address in lower case.';
comment on column parley.user_emails.user_id is 'Whose it is.';
comment on column parley.user_emails.password_hash is 'scrypt in PHC form, parameters and salt inside.';
comment on column parley.user_emails.created_at is 'When the address was registered.';
comment on column parley.user_emails.updated_at is 'When the password last changed.';

-- Kept for unknown addresses too, so that a refusal does not tell which addresses are registered.
create table parley.login_attempts (
    email        text        not null,
    window_start timestamptz not null,
    attempts     integer     not null,
    constraint login_attempts_pkey primary key (email),
    constraint login_attempts_email_shape check (email = lower(email) and char_length(email) <= 254)
);
comment on table parley.login_attempts is 'Sign-ins of an address that did not succeed lately; a success removes the row.';
comment on column parley.login_attempts.email is 'The address in lower case, registered or not.';
comment on column parley.login_attempts.window_start is 'When the present window of counting began.';
comment on column parley.login_attempts.attempts is 'How many since then.';

-- One row a sign-in. A refresh token names the row (family_id) and proves itself by a secret whose hash stands here; using it puts the next
-- hash in its place. A token that names a family but no longer fits was used before: the family is revoked.
create table parley.refresh_tokens (
    user_id    uuid        not null,
    family_id  uuid        not null,
    token_hash text        not null,
    created_at timestamptz not null default now(),
    rotated_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint refresh_tokens_pkey primary key (user_id, family_id),
    constraint refresh_tokens_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint refresh_tokens_hash_shape check (token_hash ~ '^[0-9a-f]{64}$')
);
comment on table parley.refresh_tokens is 'Families of refresh tokens: one row a sign-in, the current token''s hash in it.';
comment on column parley.refresh_tokens.user_id is 'Who signed in.';
comment on column parley.refresh_tokens.family_id is 'Random (122 bits): the part of the token that finds the row.';
comment on column parley.refresh_tokens.token_hash is 'SHA-256 of the current token''s 256 secret bits, hexadecimal.';
comment on column parley.refresh_tokens.created_at is 'When they signed in.';
comment on column parley.refresh_tokens.rotated_at is 'When the current token was made.';
comment on column parley.refresh_tokens.expires_at is 'Until when the current token may be used.';
comment on column parley.refresh_tokens.revoked_at is 'Set by sign-out, a changed password, or a token that came twice.';
