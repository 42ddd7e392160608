/* Helpers: named assistants, the same for everybody. */
#ifndef PARLEY_CORE_HELPER_H
#define PARLEY_CORE_HELPER_H

#include "core/call.h"

#define HELPER_NAME_MAX 64

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

/* Makes a name as helpers have it of what other applications call theirs: "Brand Voice" is brand-voice. A name that
 * helpers can have stays. false: nothing of it can. */
bool helper_name_fit(const char *given, char fitted[HELPER_NAME_MAX + 1]);

/* What an administrator says of a helper; NULL leaves what stands there (a new one has none). */
struct helper_change {
    const char *name, *display_name, *model, *system_prompt, *greeting;
};

/* Both need the role that owns the schema. ST_NOT_FOUND: there is none of that name. */
enum status helper_set(struct call *call, const struct helper_change *change) MUST_CHECK;
enum status helper_remove(struct call *call, const char *name) MUST_CHECK;

#endif
