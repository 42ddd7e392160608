/*
 * A turn that runs in another process, or ran in one that is gone: told from what is stored of it, by asking again and
 * again until it has ended. When its events are purged it is told from its message: who comes back with the id of one
 * of them gets all that is stored of the answer behind it, in a few cases some bytes or a call once more rather than
 * not at all; only text that came behind calls may be cut by as many bytes as those had pieces (sql: turn_retold).
 */
#ifndef PARLEY_RELAY_FOLLOWER_H
#define PARLEY_RELAY_FOLLOWER_H

struct audience;
struct handover;
struct relay;

/* Follows the turn of a HANDOVER_WATCH under its user's claim, for as long as anybody watches. NULL: memory is out. */
struct audience *follower_start(struct relay *relay, const struct handover *handover);

#endif
