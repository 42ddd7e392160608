/*
 * Memory that ends with the request: bump allocation over a chain of blocks.
 *
 * What must stay true: every byte of a block behind its `used` mark is zero (blocks come from calloc, and what was
 * used is wiped before a block is used again or freed), so that handing memory out never costs a memset. The first
 * block lives as long as the arena; all others end at the reset.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT  alignof(max_align_t)
#define BLOCK_SIZE ((size_t)64 * 1024)
#define BIG_SIZE   (BLOCK_SIZE / 4) /* from here on an allocation gets a block of its own */

struct block {
    struct block *next; /* towards the first block */
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

struct defer {
    struct defer *next;
    void (*release)(void *thing);
    void *thing;
};

struct arena {
    size_t cap;
    size_t used;
    struct block *first;
    struct block *current; /* where small allocations are cut from */
    struct block *last;    /* head of the chain of all blocks */
    struct defer *defers;
};

static struct block *block_new(size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + size);
    if (block)
        block->size = size;
    return block;
}

struct arena *arena_new(size_t cap)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (!arena)
        return NULL;
    arena->cap = cap;
    arena->first = block_new(BLOCK_SIZE);
    if (!arena->first) {
        free(arena);
        return NULL;
    }
    arena->current = arena->last = arena->first;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    arena_reset(arena);
    free(arena->first);
    free(arena);
}

/* n rounded up to the alignment; 0 when that does not fit into a size_t. */
static size_t round_up(size_t n)
{
    if (n > SIZE_MAX - sizeof(struct block) - ALIGNMENT)
        return 0;
    return ((n ? n : 1) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

/* A block with room for n bytes, noted in the chain. The current block stays current beside a big one. */
static struct block *arena_add_block(struct arena *arena, size_t n)
{
    struct block *block = block_new(n >= BIG_SIZE ? n : BLOCK_SIZE);
    if (!block)
        return NULL;
    block->next = arena->last;
    arena->last = block;
    if (n < BIG_SIZE)
        arena->current = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t n)
{
    n = round_up(n);
    if (!n || n > arena->cap - arena->used)
        return NULL;
    struct block *block = arena->current;
    if (n > block->size - block->used) {
        block = arena_add_block(arena, n);
        if (!block)
            return NULL;
    }
    void *bytes = block->bytes + block->used;
    block->used += n;
    arena->used += n;
    return bytes;
}

void *arena_grow(struct arena *arena, void *bytes, size_t old_n, size_t n)
{
    struct block *block = arena->current;
    size_t from = round_up(old_n), to = round_up(n);
    if (bytes && from && to >= from && to - from <= block->size - block->used &&
        to - from <= arena->cap - arena->used && (unsigned char *)bytes + from == block->bytes + block->used) {
        block->used += to - from;
        arena->used += to - from;
        return bytes;
    }
    void *copy = arena_alloc(arena, n);
    if (copy && bytes && old_n)
        memcpy(copy, bytes, old_n < n ? old_n : n);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_strndup(struct arena *arena, const char *text, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(arena, n + 1);
    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        return NULL;
    char *text = arena_alloc(arena, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

int arena_defer(struct arena *arena, void (*release)(void *thing), void *thing)
{
    struct defer *defer = arena_alloc(arena, sizeof(*defer));
    if (!defer) {
        release(thing);
        return -1;
    }
    *defer = (struct defer){.next = arena->defers, .release = release, .thing = thing};
    arena->defers = defer;
    return 0;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

void arena_reset(struct arena *arena)
{
    /* The notes stand in the arena's own memory, and a release may still look at it: these run before the wipe. */
    while (arena->defers) {
        struct defer *defer = arena->defers;
        arena->defers = defer->next;
        defer->release(defer->thing);
    }
    while (arena->last) {
        struct block *block = arena->last;
        arena->last = block->next;
        explicit_bzero(block->bytes, block->used);
        block->used = 0;
        if (block != arena->first)
            free(block);
    }
    arena->current = arena->last = arena->first;
    arena->used = 0;
}
