-- Messages. Every query that answers messages has the same fifteen columns: see core/message.c.

-- name: message_session
-- Whether the session is there, and how many messages its active path has.
select message_count from parley.chat_sessions
where user_id = $1::uuid and session_id = $2::uuid and deleted_at is null;

-- name: message_last
-- The last $3 of the active path, newest first.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.chat_messages
where user_id = $1::uuid and session_id = $2::uuid and on_path
order by seq desc
limit $3::integer;

-- name: message_before
-- The $3 before seq $4, newest first.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.chat_messages
where user_id = $1::uuid and session_id = $2::uuid and on_path and seq < $4::integer
order by seq desc
limit $3::integer;

-- name: message_history
-- As message_before, but after $5 bytes of texts only one row more: what is not shown is not read.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from (
    select n.*, sum(octet_length(n.content) + coalesce(octet_length(n.tool_calls::text), 0) + coalesce(octet_length(n.metadata::text), 0))
        over (order by n.seq desc rows between unbounded preceding and 1 preceding) as newer
    from (
        select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id,
            created_at, status, tokens, prompt_tokens, tokens_estimated
        from parley.chat_messages
        where user_id = $1::uuid and session_id = $2::uuid and on_path and seq < $4::integer
        order by seq desc
        limit $3::integer
    ) n
) h
where h.newer is null or h.newer <= $5::integer
order by seq desc;

-- name: message_after
-- The $3 after seq $4, oldest first.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.chat_messages
where user_id = $1::uuid and session_id = $2::uuid and on_path and seq > $4::integer
order by seq
limit $3::integer;

-- name: message_offset
-- $3 of the active path after the first $4, oldest first.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.chat_messages
where user_id = $1::uuid and session_id = $2::uuid and on_path
order by seq
limit $3::integer offset $4::integer;

-- name: message_all
-- $3 of all branches after seq $4, oldest first.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.chat_messages
where user_id = $1::uuid and session_id = $2::uuid and seq > $4::integer
order by seq
limit $3::integer;

-- name: message_copy
-- A message that a client saves around a turn. $4 role, $5 content, $6 tool calls, $7 metadata, $8 whether it has an idempotency key.
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.copy_save($1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::jsonb, $7::jsonb, $8::boolean);

-- name: message_append
-- $4 role, $5 content, $6 tool calls, $7 metadata, $8 turn, $9 parent (NULL: the end of the active path; nil uuid: none).
select message_id, seq, parent_id, sibling_index, sibling_count, role, content, tool_calls, metadata, turn_id, created_at,
    status, tokens, prompt_tokens, tokens_estimated
from parley.message_append($1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::jsonb, $7::jsonb, $8::uuid, $9::uuid);
