/* Allocations that fail on demand, by the linker's --wrap. */
#include "failmalloc.h"

#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *memory, size_t n);
void __real_free(void *memory);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *memory, size_t n);
void __wrap_free(void *memory);

static unsigned countdown;
static bool happened;
static long balance;

void failmalloc_after(unsigned n)
{
    countdown = n;
    happened = false;
}

bool failmalloc_happened(void)
{
    return happened;
}

long failmalloc_balance(void)
{
    return balance;
}

/* Whether this allocation is the one to fail. */
static bool is_to_fail(void)
{
    if (!countdown || --countdown)
        return false;
    happened = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    void *memory = is_to_fail() ? NULL : __real_malloc(n);
    balance += memory != NULL;
    return memory;
}

void *__wrap_calloc(size_t count, size_t n)
{
    void *memory = is_to_fail() ? NULL : __real_calloc(count, n);
    balance += memory != NULL;
    return memory;
}

void *__wrap_realloc(void *memory, size_t n)
{
    bool was_new = memory == NULL;
    void *moved = is_to_fail() ? NULL : __real_realloc(memory, n);
    balance += was_new && moved;
    return moved;
}

void __wrap_free(void *memory)
{
    balance -= memory != NULL;
    __real_free(memory);
}
