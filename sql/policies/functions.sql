-- Functions run as their caller, under the caller's policies; nobody but the role that serves needs them.

revoke all on schema parley from public;
grant usage on schema parley to :app;
revoke all on all functions in schema parley from public;
grant execute on all functions in schema parley to :app;
