/* Arenas: memory that is zero, aligned, capped, wiped, and given back at once. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "unit.h"

#define CAP ((size_t)1024 * 1024)

void suite_arena(void);

static bool is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static void arena_gives_zeroed_aligned_memory(void)
{
    struct arena *arena = arena_new(CAP);
    for (size_t n = 0; n < 40000; n = n * 2 + 1) {
        unsigned char *bytes = arena_alloc(arena, n);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        CU_ASSERT_EQUAL((uintptr_t)bytes % alignof(max_align_t), 0);
        CU_ASSERT(is_zero(bytes, n));
        memset(bytes, 0xA5, n);
    }
    arena_free(arena);
}

static void arena_memory_is_zero_again_after_reset(void)
{
    struct arena *arena = arena_new(CAP);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned char *bytes = arena_alloc(arena, 3000);
            CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
            CU_ASSERT(is_zero(bytes, 3000));
            memset(bytes, 0xFF, 3000);
        }
        arena_reset(arena);
        CU_ASSERT_EQUAL(arena_used(arena), 0);
    }
    arena_free(arena);
}

static void arena_wipes_what_was_used(void)
{
    struct arena *arena = arena_new(CAP);
    /* The first block outlives the reset, so that one may look at it. */
    char *secret = arena_strdup(arena, "correct horse battery staple");
    arena_reset(arena);
    CU_ASSERT(is_zero((unsigned char *)secret, 28));
    arena_free(arena);
}

static void arena_keeps_its_first_block(void)
{
    struct arena *arena = arena_new(CAP);
    void *first = arena_alloc(arena, 10);
    arena_alloc(arena, 100000);
    for (int i = 0; i < 50; i++)
        arena_alloc(arena, 8000);
    arena_reset(arena);
    CU_ASSERT_PTR_EQUAL(arena_alloc(arena, 10), first);
    arena_free(arena);
}

static void arena_big_allocations_leave_the_current_block_in_use(void)
{
    struct arena *arena = arena_new(CAP);
    char *before = arena_alloc(arena, 16);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(arena, 200000));
    char *behind = arena_alloc(arena, 16);
    CU_ASSERT_PTR_EQUAL(behind, before + 16);
    arena_free(arena);
}

static void arena_respects_its_cap(void)
{
    struct arena *arena = arena_new(1000);
    CU_ASSERT_PTR_NULL(arena_alloc(arena, 1001));
    CU_ASSERT_PTR_NULL(arena_alloc(arena, SIZE_MAX));
    CU_ASSERT_PTR_NULL(arena_alloc(arena, SIZE_MAX - 64));
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(arena, 900));
    CU_ASSERT_PTR_NULL(arena_alloc(arena, 900));
    CU_ASSERT_PTR_NULL(arena_strndup(arena, "", SIZE_MAX));
    CU_ASSERT(arena_used(arena) <= 1000);
    arena_reset(arena);
    CU_ASSERT_PTR_NOT_NULL(arena_alloc(arena, 900));
    arena_free(arena);
}

static void arena_copies_text(void)
{
    struct arena *arena = arena_new(CAP);
    CU_ASSERT_STRING_EQUAL(arena_strdup(arena, "hello"), "hello");
    CU_ASSERT_STRING_EQUAL(arena_strndup(arena, "hello", 2), "he");
    CU_ASSERT_STRING_EQUAL(arena_strndup(arena, "", 0), "");
    CU_ASSERT_STRING_EQUAL(arena_printf(arena, "%s-%d", "a", 7), "a-7");
    arena_free(arena);
}

static void arena_grows_the_newest_in_place_and_copies_others(void)
{
    struct arena *arena = arena_new(CAP);
    char *a = arena_alloc(arena, 10);
    memcpy(a, "0123456789", 10);
    char *grown = arena_grow(arena, a, 10, 1000);
    CU_ASSERT_PTR_EQUAL(grown, a);
    CU_ASSERT(is_zero((unsigned char *)grown + 10, 990));
    char *b = arena_alloc(arena, 10);
    char *moved = arena_grow(arena, a, 1000, 2000);
    CU_ASSERT(moved && moved != a && moved > b);
    CU_ASSERT_NSTRING_EQUAL(moved, "0123456789", 10);
    CU_ASSERT(is_zero((unsigned char *)moved + 10, 1990));
    char *big = arena_grow(arena, moved, 2000, 300000);
    CU_ASSERT_NSTRING_EQUAL(big, "0123456789", 10);
    CU_ASSERT_PTR_NULL(arena_grow(arena, big, 300000, 2 * CAP));
    CU_ASSERT_PTR_NOT_NULL(arena_grow(arena, NULL, 0, 5));
    arena_free(arena);
}

static int order[4];
static int released;

static void note_release(void *thing)
{
    order[released++] = *(int *)thing;
}

static void arena_releases_deferred_things_once_newest_first(void)
{
    struct arena *arena = arena_new(CAP);
    static int things[] = {1, 2, 3};
    released = 0;
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(arena_defer(arena, note_release, &things[i]), 0);
    arena_reset(arena);
    CU_ASSERT_EQUAL(released, 3);
    CU_ASSERT(order[0] == 3 && order[1] == 2 && order[2] == 1);
    arena_reset(arena);
    arena_free(arena);
    CU_ASSERT_EQUAL(released, 3);
}

static void arena_releases_at_once_what_it_cannot_note(void)
{
    struct arena *arena = arena_new(0);
    static int thing = 9;
    released = 0;
    CU_ASSERT_EQUAL(arena_defer(arena, note_release, &thing), -1);
    CU_ASSERT_EQUAL(released, 1);
    arena_free(arena);
    CU_ASSERT_EQUAL(released, 1);
    arena_free(NULL);
}

void suite_arena(void)
{
    CU_pSuite suite = CU_add_suite("arena", NULL, NULL);
    UNIT_TEST(suite, arena_gives_zeroed_aligned_memory);
    UNIT_TEST(suite, arena_memory_is_zero_again_after_reset);
    UNIT_TEST(suite, arena_wipes_what_was_used);
    UNIT_TEST(suite, arena_keeps_its_first_block);
    UNIT_TEST(suite, arena_big_allocations_leave_the_current_block_in_use);
    UNIT_TEST(suite, arena_respects_its_cap);
    UNIT_TEST(suite, arena_copies_text);
    UNIT_TEST(suite, arena_grows_the_newest_in_place_and_copies_others);
    UNIT_TEST(suite, arena_releases_deferred_things_once_newest_first);
    UNIT_TEST(suite, arena_releases_at_once_what_it_cannot_note);
}
