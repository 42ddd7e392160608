-- Helpers.

-- name: helper_list
select name, display_name, model, greeting from parley.helpers
order by display_name, name;

-- name: helper_set
-- $2 display name, $3 model, $4 system prompt, $5 greeting: NULL leaves what stands there. By the role that owns the schema.
insert into parley.helpers as h (name, display_name, model, system_prompt, greeting)
values ($1::text, coalesce($2::text, $1::text), $3::text, $4::text, $5::text)
on conflict (name) do update set
    display_name = coalesce($2::text, h.display_name),
    model = coalesce(excluded.model, h.model),
    system_prompt = coalesce(excluded.system_prompt, h.system_prompt),
    greeting = coalesce(excluded.greeting, h.greeting),
    updated_at = now();

-- name: helper_remove
delete from parley.helpers where name = $1::text;
