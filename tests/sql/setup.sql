-- What the pgTAP files share: pgTAP itself and a few words, in the schema tap of the test database. Run by the superuser.
--
-- A test file is one transaction that is rolled back. It acts as the serving role under a person's claim:
--     select tap.person('ann');                -- signs Ann up: ann@example.org
--     select tap.become('ann');                -- from here on it is parley_app, and Ann
--     select tap.stop();                       -- the superuser again, without any claim

create schema tap;
create extension pgtap schema tap;
grant usage on schema tap to public;

-- The id that a word stands for in tests.
create function tap.id(word text) returns uuid language sql immutable
    as $$ select md5(word)::uuid $$;

create function tap.claim(name text, value text) returns void language sql
    as $$ select set_config('parley.' || name, value, true) $$;

create function tap.stop() returns void language plpgsql as $$
declare
    v_name text;
begin
    reset role;
    foreach v_name in array array['user_id', 'email', 'refresh', 'project', 'purge'] loop
        perform set_config('parley.' || v_name, '', true);
    end loop;
end
$$;

-- The serving role without any claim.
create function tap.become_nobody() returns void language plpgsql as $$
begin
    perform tap.stop();
    set local role parley_app;
end
$$;

create function tap.become(word text) returns void language plpgsql as $$
begin
    perform tap.become_nobody();
    perform tap.claim('user_id', tap.id(word)::text);
end
$$;

create function tap.person(word text) returns void language plpgsql as $$
begin
    perform tap.become(word);
    perform parley.user_create(tap.id(word), word || '@example.org', 'hash of ' || word, word, null);
    perform tap.stop();
end
$$;

-- A session named by a word, of the person who acts.
create function tap.session(word text) returns void language sql
    as $$ select from parley.session_create(current_setting('parley.user_id')::uuid, tap.id(word), null, null, null, 0, 0) $$;

-- Appends a message named by a word to a session of the person who acts, at its end or after a parent.
create function tap.say(session text, word text, role text, content text, parent uuid default null) returns integer language sql
    as $$
        select seq from parley.message_append(current_setting('parley.user_id')::uuid, tap.id(session), tap.id(word), role,
            content, null, null, null, parent)
    $$;
