-- It answers which session it has saved.
drop function if exists parley.transcript_save(uuid, uuid, boolean, jsonb, uuid[], integer, integer);
