/*
 * Answers as FastCGI records (fastcgi.h), written straight to a connection, without libfcgi.
 *
 * What must stay true: a whole answer leaves in one system call when the socket has room; a peer that takes nothing for
 * ten seconds is given up.
 */
#ifndef PARLEY_HTTP_RECORD_H
#define PARLEY_HTTP_RECORD_H

#include <fastcgi.h>
#include <stdbool.h>

struct reply;

#define RECORD_WAIT_SECONDS 10

/* The header of a record of len (at most FCGI_MAX_LENGTH) bytes, padded to a multiple of 8. */
FCGI_Header record_header(unsigned type, unsigned request_id, unsigned len);

/* Sends the reply with Content-Length (none with 204 and 304, whose body stays here too) and ends the request. A reply
 * that did not fit into memory, or has no status, goes out as a bare 503. The descriptor stays open. False: the peer
 * was gone or took nothing. */
bool record_send(int fd, unsigned request_id, const struct reply *reply);

#endif
