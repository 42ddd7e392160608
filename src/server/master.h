/*
 * The master: owns the listening socket and keeps workers alive. Never touches a request.
 *
 * SIGTERM, SIGINT: no new connections; workers answer what they have and end; after drain_seconds, or at a second
 * signal, they are killed. SIGHUP: the configuration is read again; workers with the new one start before those with
 * the old one are asked to end. A bad one changes nothing.
 */
#ifndef PARLEY_SERVER_MASTER_H
#define PARLEY_SERVER_MASTER_H

struct config;

/* Serves by this configuration, which is freed at the end, until told to end; answers the exit status: 0, 1 when it
 * could not start (another one runs, no socket), EX_CONFIG when the database does not guard its rows. config_file is
 * what to read at a reload; NULL: the environment alone. Where descriptor 0 is a listening socket and no service
 * manager passed one, the caller itself is the one worker and there is no master. */
int master_run(struct config *config, const char *config_file);

#endif
