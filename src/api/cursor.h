/* Cursors: where a list of sessions goes on, as its Link header says it. Opaque to clients. */
#ifndef PARLEY_API_CURSOR_H
#define PARLEY_API_CURSOR_H

#include "api/api.h"

/* The last row that the client saw. */
struct cursor {
    const char *time, *id; /* its last_message_at and id; NULL: none, from the newest */
};

/* Reads ?cursor=; one that was never given out is noted as a wrong field. */
void cursor_read(struct api *api, struct cursor *cursor);

/* Adds Link: <path?limit=...&cursor=...filters>; rel="next". filters is "" or "&name=value...". */
void cursor_link(struct api *api, const char *path, unsigned limit, const struct cursor *last, const char *filters);

#endif
