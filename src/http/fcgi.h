/*
 * FastCGI requests in, answers out. The only user of libfcgi (fcgiapp.h).
 *
 * What must stay true: keepConnection is off; a request's body is drained before its answer is sent; the connection is
 * closed after each request; signals that end the process are blocked outside of fcgi_wait (libfcgi's reads are not
 * restarted).
 */
#ifndef PARLEY_HTTP_FCGI_H
#define PARLEY_HTTP_FCGI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "http/reply.h"
#include "http/request.h"

struct fcgi;

/* Makes a UNIX listening socket: mode 0660 whatever the umask, non-blocking, close-on-exec. Refuses (ST_CONFLICT) when
 * a living process listens there; removes a dead one's file. The descriptor goes to *fd. */
enum status fcgi_listen(const char *path, int *fd) MUST_CHECK;

/* Prepares libfcgi for requests of an open listening socket, which turns non-blocking. Call it in the process that will
 * accept, after the fork: the wait is each process's own. libfcgi puts handlers on SIGPIPE, SIGUSR1 and SIGTERM, even
 * over SIG_IGN; they are taken off again here, so that the caller's dispositions hold whenever they were set. SIGPIPE
 * must be ignored or handled. NULL: memory or descriptors are out. */
struct fcgi *fcgi_new(int listen_fd);
void fcgi_free(struct fcgi *fcgi);

/* Waits until a connection may be there, at most timeout_ms (-1: for ever), with the given signal mask in force while
 * it waits. 1: accept now; 0: time is up or a signal came. Only one of several waiting processes is woken for a
 * connection. */
int fcgi_wait(struct fcgi *fcgi, int timeout_ms, const sigset_t *mask);

/* Takes a request, if one is there: ST_OK, ST_NOT_FOUND (none, or not a FastCGI request: wait again), ST_UNAVAILABLE
 * (the socket is broken or descriptors are out: end). A peer that says nothing is dropped after 10 s. */
enum status fcgi_accept(struct fcgi *fcgi) MUST_CHECK;

/* The accepted request's parameters, valid until fcgi_send or fcgi_detach, and its body as a request_read source. */
const char *const *fcgi_params(const struct fcgi *fcgi);
long fcgi_read(void *fcgi, char *bytes, size_t n);

/* Drains the body, sends the answer with Content-Length (none with 204 and 304) and ends the request. False: the client
 * was gone (the work is done all the same). An answer that did not fit into memory, or has no status, goes out as a
 * bare 503. */
bool fcgi_send(struct fcgi *fcgi, const struct reply *reply);

/* Drains the body and gives the accepted connection away: answers its descriptor (blocking, with time limits of 10 s),
 * of which the caller is the owner now, and the FastCGI request id; this process is free for the next request. */
int fcgi_detach(struct fcgi *fcgi, unsigned *request_id);

#endif
