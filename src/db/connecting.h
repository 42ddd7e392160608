/*
 * Connecting in a thread of its own: libpq looks up the names of hosts without a deadline, and who has a loop of events
 * to keep going cannot wait for that. Below db.h, for src/db alone.
 */
#ifndef PARLEY_DB_CONNECTING_H
#define PARLEY_DB_CONNECTING_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct connecting;

/* Begins. timeout_ms: from when the first host's address is known. The thread gets no signals. NULL: memory,
 * descriptors or threads are out. */
struct connecting *connecting_start(const char *conninfo, int64_t timeout_ms);

/* A descriptor that is readable when it is over. */
int connecting_fd(const struct connecting *connecting);

/* Whether it is over; never waits. Then *pg is the connection, or NULL where none stands, and connecting is gone. */
bool connecting_is_over(struct connecting *connecting, PGconn **pg);

/* Lets go of one that may not be over: it ends by itself and leaves nothing open. */
void connecting_leave(struct connecting *connecting);

#endif
