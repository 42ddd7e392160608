/*
 * Posting a request and reading the answer's body as it comes, over HTTP/1.1. The only user of libcurl.
 *
 * Knows nothing of what is sent and read, sets no deadline, and never waits. http and https alone, TLS verified, no
 * redirects; connections are kept for the next request, within a bound.
 */
#ifndef PARLEY_RELAY_TRANSFER_H
#define PARLEY_RELAY_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct transfers; /* all of this process, to one address */
struct transfer;

enum transfer_how {
    TRANSFER_WHOLE,      /* the body ended as HTTP has it, which for some servers is just that the connection closed */
    TRANSFER_BROKEN,     /* there was no connection, or it broke */
    TRANSFER_UNPROVEN,   /* the certificate does not hold */
    TRANSFER_UNREADABLE, /* not HTTP, or no end of headers */
    TRANSFER_DROPPED,    /* `body` wanted no more */
    TRANSFER_FAILED,     /* anything else */
};

struct transfer_end {
    enum transfer_how how;
    long status;          /* HTTP's; 0: none came */
    unsigned retry_after; /* seconds, from a 429; 0: not said */
};

/* What the owner is told, from the loop. */
struct transfer_events {
    /* The connection stands; the request goes out, if true. Comes again when a kept connection turns out to be dead,
     * and another one is used. */
    bool (*asked)(void *owner);
    bool (*body)(void *owner, long status, const char *bytes, size_t n); /* false: no more of it */
    void (*over)(void *owner, const struct transfer_end *end);           /* the last: the transfer is gone */
};

/* key NULL: none is sent; else it goes out as a bearer's. Both are copied. A server behind TLS has to prove its name to
 * the system's authorities, or to those in the file that SSL_CERT_FILE names in the environment. NULL: memory is out.
 */
struct transfers *transfers_new(struct loop *loop, const char *url, const char *key);

/* Ends all of them, without a word. */
void transfers_free(struct transfers *transfers);

/* Posts n bytes of JSON; they must stay until transfer_is_sent, the events until the end. Nothing is told before this
 * has returned. NULL: memory is out. */
struct transfer *transfer_start(struct transfers *transfers, const char *body, size_t n,
                                const struct transfer_events *events, void *owner);

/* Whether all of the body is with the server. */
bool transfer_is_sent(const struct transfer *transfer);

/* Ends it at once; nothing more is told. Allowed inside any event. */
void transfer_stop(struct transfer *transfer);

/* What a server says to a GET. */
struct transfer_probe {
    enum transfer_how how;
    long status;       /* HTTP's; 0: none came */
    const char *error; /* what curl says of a transfer that failed */
};

/* Asks once and waits for the whole answer, at most so long: for a command, never in the relay. */
struct transfer_probe transfer_ask(const char *url, const char *key, long timeout_ms);

#endif
