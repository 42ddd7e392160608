/* A line between the program and PostgreSQL that can be cut: a thread of the test that passes bytes on, until it is
 * told otherwise. */
#ifndef PARLEY_TESTS_PROXY_H
#define PARLEY_TESTS_PROXY_H

enum proxy_mode {
    PROXY_PASS,
    PROXY_CUT_ANSWER, /* once: let the next request through, wait for its answer, close both sides instead of passing it
                         on */
    PROXY_CUT_REQUEST, /* once: close both sides instead of passing the next request on */
    PROXY_SILENT,      /* accept, and never answer */
};

/* Starts the thread; answers the port on 127.0.0.1, or -1. path is PostgreSQL's UNIX socket. */
int proxy_start(const char *path);

void proxy_set(enum proxy_mode mode);

#endif
