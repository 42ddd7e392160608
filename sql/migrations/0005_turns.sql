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

-- The tokens of a day are counted like the requests of a minute.
alter table parley.user_rates drop constraint user_rates_kind_known;
alter table parley.user_rates add constraint user_rates_kind_known
    check (kind in ('requests', 'sessions', 'turns', 'tokens'));

-- Which turn a key began: a request that comes again joins it.
alter table parley.idempotency_keys add column turn_id uuid;
comment on column parley.idempotency_keys.turn_id is 'The turn that the request began; NULL: it began none.';
