-- Events' ids grow within a session, not only within a turn: who comes back with an id of one turn while the next one runs is told the rest of the
-- first, then the next from its beginning.

alter table parley.turns add column id_base bigint not null default 0;
comment on column parley.turns.id_base is 'What viewers'' ids of its events are counted from: that of the turn before and its last event''s.';
