/* The file with the master's pid. The lock on it, not the file, says that a master lives; the kernel takes it back when
 * that one ends. */
#ifndef PARLEY_SERVER_PIDFILE_H
#define PARLEY_SERVER_PIDFILE_H

#include <sys/types.h>

#include "base/status.h"

struct pidfile {
    int fd; /* -1: none is held */
    const char *path;
};

/* Takes the file at path, which must stay, and writes the caller's pid into it. ST_CONFLICT: another process holds it,
 * *holder. ST_UNAVAILABLE: see errno. */
enum status pidfile_take(struct pidfile *pidfile, const char *path, pid_t *holder) MUST_CHECK;

/* Removes it. Children of the holder must not call this. */
void pidfile_drop(struct pidfile *pidfile);

#endif
