/* Cursors: base64url of "last_message_at id" of the last row that was seen. */
#include "api/cursor.h"

#include <string.h>

#include "api/fields.h"
#include "base/crypto.h"

static bool decode(struct api *api, const char *text, struct cursor *cursor)
{
    size_t len = strlen(text);
    char *plain = arena_alloc(api->call.arena, len + 1);
    long n = plain ? crypto_base64url_decode(text, len, plain, len) : -1;
    char *space = n > 0 && strlen(plain) == (size_t)n ? strchr(plain, ' ') : NULL;
    struct uuid id;
    if (!space || !uuid_parse(&id, space + 1))
        return false;
    *space = '\0';
    cursor->time = plain;
    cursor->id = arena_strdup(api->call.arena, id.text);
    return strspn(plain, "0123456789-:.TZ") == strlen(plain) && cursor->id;
}

void cursor_read(struct api *api, struct cursor *cursor)
{
    const char *text = request_query(api->request, "cursor");
    *cursor = (struct cursor){0};
    if (text && !decode(api, text, cursor))
        (void)!fault_field(&api->call.fault, "cursor", "is not one that was given out");
}

void cursor_link(struct api *api, const char *path, unsigned limit, const struct cursor *last, const char *filters)
{
    struct arena *arena = api->call.arena;
    const char *plain = arena_printf(arena, "%s %s", last->time, last->id);
    char *text = plain ? arena_alloc(arena, CRYPTO_BASE64_LEN(strlen(plain)) + 1) : NULL;
    if (!text)
        return;
    crypto_base64url(plain, strlen(plain), text);
    const char *link = arena_printf(arena, "<%s?limit=%u&cursor=%s%s>; rel=\"next\"", path, limit, text, filters);
    if (link)
        reply_header(api->reply, "Link", link);
}
