-- What of the tokens was estimated shows where the tokens show.

alter table parley.chat_messages add column prompt_tokens integer;
alter table parley.chat_messages add column tokens_estimated boolean;
comment on column parley.chat_messages.prompt_tokens is 'Tokens the model read for it; NULL: not an answer.';
comment on column parley.chat_messages.tokens_estimated is 'Whether the two numbers were estimated here; NULL: not an answer.';

alter table parley.chat_sessions add column estimated_tokens bigint not null default 0;
comment on column parley.chat_sessions.estimated_tokens is 'How many of both sums were estimated here.';

alter table parley.user_usage add column estimated_tokens bigint not null default 0;
comment on column parley.user_usage.estimated_tokens is 'How much of the sum was estimated here.';

-- It takes whether they are estimated now.
drop function if exists parley.turn_account(uuid, uuid, integer, integer);
-- It takes the configured model now; older programs do without.
drop function if exists parley.turn_begin(uuid, uuid, boolean, uuid, text, text, text, uuid, uuid, uuid, uuid, interval, integer,
    integer, integer, integer, integer);
