/*
 * The relay: the process that holds long answers, and the same loop for one turn in a child of a process that has no
 * master.
 */
#ifndef PARLEY_RELAY_RELAY_H
#define PARLEY_RELAY_RELAY_H

#include <sys/types.h>

#include "relay/handover.h"

struct relay;
struct settings;

/*
 * The process' main: takes what workers hand over through `socket` (an end of handover_pair) and answers the exit
 * status, 1 when it cannot start. The caller has set the process' title.
 *
 * SIGTERM or SIGUSR1: nothing more is taken (what waits in the socket is for the next relay) and turns that run get
 * drain_seconds; then, or at the second such signal, they are ended as interrupted and saved, for which there are 10 s
 * more. master is the parent, whose end counts as the signal; with it SIGINT and SIGHUP are its business.
 */
int relay_run(const struct settings *settings, int socket, pid_t master);

/* A relay inside this process; socket -1: nobody hands over but by relay_take. The settings must stay. NULL: memory is
 * out, or the model's key cannot be read. */
struct relay *relay_new(const struct settings *settings, int socket);

/* Closes all viewers and calls at once. NULL is allowed. */
void relay_free(struct relay *relay);

/* Takes over a turn, a viewer or a stop. The connection (-1: none) is the relay's to close, whatever comes. */
void relay_take(struct relay *relay, const struct handover *handover, int connection);

/* Runs the loop until every turn is saved and every viewer told. A SIGTERM that waits (blocked) ends turns as
 * interrupted. */
void relay_finish(struct relay *relay);

#endif
