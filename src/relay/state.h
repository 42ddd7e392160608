/* What the parts of a relay share: one of it a process, made by relay_new. */
#ifndef PARLEY_RELAY_STATE_H
#define PARLEY_RELAY_STATE_H

#include "relay/audience.h"
#include "relay/loop.h"

struct arena;
struct saver;
struct settings;
struct upstream;

struct relay {
    const struct settings *settings;
    struct loop *loop;
    struct upstream *upstream;
    struct saver *saver;
    struct arena *scratch; /* for the length of one function: whoever uses it resets it */
    struct arena *inbox;   /* the texts of one handover */
    struct loop_watch socket;
    struct audience_table audiences;
    unsigned viewers;
    unsigned descriptors; /* that viewers and model calls may take together */
};

#endif
