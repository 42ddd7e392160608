-- Who may know the schema's version: the role that serves compares it with its own before it starts. The table's policies stand
-- beside it in schema_migrations.sql, because the first migration needs them.
grant usage on schema parley to :app;
grant select on parley.schema_migrations to :app;
