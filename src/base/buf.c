/*
 * A growing run of bytes inside an arena.
 *
 * What must stay true: len <= cap, and once `failed` is set nothing is written any more, so that a buffer is either
 * whole or known to be broken.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

#define FIRST_SIZE 256

void buf_init(struct buf *buf, struct arena *arena)
{
    *buf = (struct buf){.arena = arena};
}

/* Makes cap at least need: twice as much if that can be had, so that adding stays linear, else just enough. */
static bool buf_enlarge(struct buf *buf, size_t need)
{
    size_t cap = buf->cap < SIZE_MAX / 2 ? buf->cap * 2 : SIZE_MAX;
    if (cap < FIRST_SIZE)
        cap = FIRST_SIZE;
    if (cap < need)
        cap = need;
    char *data = arena_grow(buf->arena, buf->data, buf->cap, cap);
    if (!data && cap > need) {
        cap = need;
        data = arena_grow(buf->arena, buf->data, buf->cap, cap);
    }
    if (!data)
        return false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

char *buf_make_room(struct buf *buf, size_t n)
{
    if (buf->failed)
        return NULL;
    if (!buf->data || n > buf->cap - buf->len) {
        if (n > SIZE_MAX - buf->len || !buf_enlarge(buf, buf->len + n)) {
            buf->failed = true;
            return NULL;
        }
    }
    return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
    char *to = n ? buf_reserve(buf, n) : NULL;
    if (!to)
        return;
    memcpy(to, bytes, n);
    buf->len += n;
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_char(struct buf *buf, char c)
{
    char *to = buf_reserve(buf, 1);
    if (!to)
        return;
    *to = c;
    buf->len++;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        buf->failed = true;
        return;
    }
    /* vsnprintf writes a NUL too: room for it, but it does not count. */
    char *to = buf_reserve(buf, (size_t)n + 1);
    if (!to)
        return;
    va_start(args, format);
    vsnprintf(to, (size_t)n + 1, format, args);
    va_end(args);
    buf->len += (size_t)n;
}

const char *buf_text(struct buf *buf)
{
    char *end = buf_reserve(buf, 1);
    if (!end)
        return NULL;
    *end = '\0';
    return buf->data;
}
