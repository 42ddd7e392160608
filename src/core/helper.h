/* Helpers: named assistants, the same for everybody. */
#ifndef PARLEY_CORE_HELPER_H
#define PARLEY_CORE_HELPER_H

#include "core/call.h"

struct helper {
    const char *name, *display_name;
    const char *model, *greeting; /* NULL: none */
};

struct helper_list {
    unsigned count;
    struct helper *helper;
};

/* All of them, by display name. What the model is told (the system prompt) is not read. */
enum status helper_list(struct call *call, struct helper_list *list) MUST_CHECK;

#endif
