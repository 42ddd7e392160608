/*
 * A growing run of bytes inside an arena.
 *
 * The adding functions never report: when memory is out the buffer turns `failed`, further adds do nothing, and
 * whoever uses the bytes checks `failed` once at the end.
 */
#ifndef PARLEY_BASE_BUF_H
#define PARLEY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct buf {
    struct arena *arena;
    char *data; /* not NUL-terminated: see buf_text */
    size_t len;
    size_t cap;
    bool failed;
};

/* An empty buffer; the first bytes are taken from the arena when something is added. */
void buf_init(struct buf *buf, struct arena *arena);

/* Room for n more bytes at the end without changing len; NULL when memory is out. buf_reserve is inline because answers
 * are made of thousands of small pieces, and almost always the room is there. */
char *buf_make_room(struct buf *buf, size_t n);

static inline char *buf_reserve(struct buf *buf, size_t n)
{
    if (n < buf->cap - buf->len && !buf->failed)
        return buf->data + buf->len;
    return buf_make_room(buf, n);
}

void buf_add(struct buf *buf, const void *bytes, size_t n);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes as a C string (the NUL is not counted in len); NULL when the buffer failed. */
const char *buf_text(struct buf *buf);

#endif
