/* The built-in model: says back, word by word, what the user said last, so that everything works without a network. */
#ifndef PARLEY_RELAY_ECHO_H
#define PARLEY_RELAY_ECHO_H

struct echo;
struct loop;
struct upstream_events;

/* Answers messages (a JSON array), of which it keeps what it needs. Tells token and end, from the loop. events must
 * stay. NULL: memory is out. */
struct echo *echo_start(struct loop *loop, const char *messages, const struct upstream_events *events, void *owner);

/* Ends it; allowed inside its events too. NULL is allowed. */
void echo_free(struct echo *echo);

#endif
