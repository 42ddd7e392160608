/* What a service manager hands over and wants to hear: its protocols in a few lines, without its library. */
#ifndef PARLEY_SERVER_SYSTEMD_H
#define PARLEY_SERVER_SYSTEMD_H

#include <stdbool.h>

/* Whether fd is a listening UNIX socket. */
bool systemd_is_listener(int fd);

/* The one listening socket that was passed by LISTEN_FDS, close-on-exec from now on; -1: none was passed; -2: what was
 * passed is not one listening UNIX socket. Takes the variables out of the environment. */
int systemd_take_listener(void);

/* Tells the state ("READY=1") to NOTIFY_SOCKET. Does nothing without one. */
void systemd_notify(const char *state);

#endif
