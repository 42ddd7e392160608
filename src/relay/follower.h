/*
 * A turn that runs in another process, or ran in one that is gone: told from what is stored of it, by asking again and
 * again until it has ended.
 */
#ifndef PARLEY_RELAY_FOLLOWER_H
#define PARLEY_RELAY_FOLLOWER_H

struct audience;
struct handover;
struct relay;

/* Follows the turn of a HANDOVER_WATCH under its user's claim, for as long as anybody watches. NULL: memory is out. */
struct audience *follower_start(struct relay *relay, const struct handover *handover);

#endif
