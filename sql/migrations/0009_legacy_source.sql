-- What an import has made is marked, so that a later one adds to that and to nothing else.

alter table parley.projects add column legacy_source text;
comment on column parley.projects.legacy_source is 'The source of the import that made it: only that lets members of there in. NULL: it was made here.';

alter table parley.chat_sessions add column legacy_source text;
comment on column parley.chat_sessions.legacy_source is 'The source of the import that made it: only that appends what was said there. NULL: it was made here.';

-- They take the source now.
drop function if exists parley.legacy_project(uuid, uuid, uuid, text, text, timestamptz);
drop function if exists parley.legacy_sessions(uuid, json);
drop function if exists parley.legacy_messages(uuid, json);
