/* What the parts of a relay share: one of it a process, made by relay_new, in relay.c. */
#ifndef PARLEY_RELAY_STATE_H
#define PARLEY_RELAY_STATE_H

#include <stdbool.h>

#include "relay/audience.h"

struct arena;
struct loop;
struct saver;
struct settings;
struct upstream;

struct relay {
    const struct settings *settings;
    struct loop *loop;
    struct upstream *upstream;
    struct saver *saver;
    struct arena *scratch; /* for the length of one function: whoever uses it resets it */
    struct audience_table audiences;
    unsigned viewers;
    unsigned descriptors; /* that viewers and model calls may take together */
};

/* Whether there is room for another viewer (with_model: and a model call for it). */
bool relay_has_room(const struct relay *relay, bool with_model);

#endif
