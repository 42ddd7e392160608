-- Helpers.

-- name: helper_list
select name, display_name, model, greeting from parley.helpers
order by display_name, name;
