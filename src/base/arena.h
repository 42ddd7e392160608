/*
 * Memory that ends with the request.
 *
 * An arena hands out memory until its cap is reached and gives all of it back at once. Nothing taken from it is
 * freed alone. What other libraries own (a parsed document, a result set) can be tied to it by arena_defer.
 * Reset wipes what was handed out, so that one request's words are never in another's memory.
 */
#ifndef PARLEY_BASE_ARENA_H
#define PARLEY_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* A new arena that hands out at most cap bytes between two resets; NULL when memory is out. */
struct arena *arena_new(size_t cap);

/* Runs the deferred clean-ups, wipes and frees everything. NULL is allowed. */
void arena_free(struct arena *arena);

/* n zeroed bytes, aligned for any type; NULL when the cap or memory is out. n = 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t n);

/* The same bytes with room for n, in place when they were the last thing handed out, else a copy; what is new is zero.
 * bytes may be NULL (old_n 0). NULL when the cap or memory is out: the old bytes stay as they are. */
void *arena_grow(struct arena *arena, void *bytes, size_t old_n, size_t n);

/* Copies of text, NUL-terminated; NULL when memory is out. The second takes exactly n bytes. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t n);

/* printf into the arena; NULL when memory is out. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Has release(thing) called once, at the next reset or free, newest first. When it cannot be noted (memory is out),
 * release is called at once and -1 answered: the thing is gone. */
int arena_defer(struct arena *arena, void (*release)(void *thing), void *thing);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);

/* Runs the deferred clean-ups, wipes what was used, keeps one block for the next request. */
void arena_reset(struct arena *arena);

#endif
