-- What a turn leaves behind: the state of its answer, tokens where they are asked for.

alter table parley.chat_messages add column status text not null default 'complete';
alter table parley.chat_messages add column tokens integer;
alter table parley.chat_messages add constraint chat_messages_status_known
    check (status in ('complete', 'streaming', 'stopped', 'failed', 'interrupted'));
comment on column parley.chat_messages.status is 'complete; for an answer its turn''s status, streaming until it has ended.';
comment on column parley.chat_messages.tokens is 'Tokens the model wrote for it; NULL: not an answer.';

alter table parley.chat_sessions add column prompt_tokens bigint not null default 0;
alter table parley.chat_sessions add column completion_tokens bigint not null default 0;
comment on column parley.chat_sessions.prompt_tokens is 'Tokens models have read in it.';
comment on column parley.chat_sessions.completion_tokens is 'Tokens models have written in it.';

alter table parley.turns add column last_event_id integer not null default 0;
comment on column parley.turns.last_event_id is 'The id of the last event that is stored.';
-- A client that lost its line is found by what it said lately.
create index turns_started_idx on parley.turns (user_id, started_at);

-- Until its turn has ended, an answer's text stands in its events alone: what may be removed is a matter of each row.
alter table parley.turn_events add column purge_at timestamptz;
create index turn_events_purge_idx on parley.turn_events (purge_at) where purge_at is not null;
comment on column parley.turn_events.purge_at is 'From when on it may be removed: a day after the turn''s end; NULL: it runs.';

-- The tokens of a day are counted like the requests of a minute.
alter table parley.user_rates drop constraint user_rates_kind_known;
alter table parley.user_rates add constraint user_rates_kind_known
    check (kind in ('requests', 'sessions', 'turns', 'tokens'));
comment on table parley.user_rates is 'How much of a quota a minute, or a day, is used.';
comment on column parley.user_rates.kind is 'requests, sessions or turns of a minute; tokens of a day.';
comment on column parley.user_rates.window_start is 'The minute, or the day in UTC, that is counted.';

-- Which turn a key began: a request that comes again joins it.
alter table parley.idempotency_keys add column turn_id uuid;
comment on column parley.idempotency_keys.turn_id is 'The turn that the request began; NULL: it began none.';
