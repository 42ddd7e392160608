/* Buffers: whole, or known to be broken. */
#include "base/buf.h"

#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "unit.h"

void suite_buf(void);

static void buf_keeps_every_byte_in_order(void)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct buf buf;
    buf_init(&buf, arena);
    for (int i = 0; i < 20000; i++) {
        buf_add_char(&buf, (char)('a' + i % 26));
        if (i % 1000 == 0)
            arena_alloc(arena, 1); /* what stands behind makes the buffer move */
    }
    CU_ASSERT_FALSE(buf.failed);
    CU_ASSERT_EQUAL_FATAL(buf.len, 20000);
    for (int i = 0; i < 20000; i++)
        if (buf.data[i] != 'a' + i % 26)
            CU_FAIL("a byte changed");
    arena_free(arena);
}

static void buf_adds_text_bytes_and_formats(void)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct buf buf;
    buf_init(&buf, arena);
    CU_ASSERT_STRING_EQUAL(buf_text(&buf), "");
    buf_add_text(&buf, "ab");
    buf_add_text(&buf, "");
    buf_add(&buf, NULL, 0);
    buf_add(&buf, "c\0d", 3);
    buf_printf(&buf, "%04d%s", 42, "!");
    CU_ASSERT_EQUAL(buf.len, 10);
    CU_ASSERT_EQUAL(memcmp(buf_text(&buf),
                           "ab"
                           "c\0d"
                           "0042!",
                           11),
                    0);
    CU_ASSERT_EQUAL(buf.len, 10);
    arena_free(arena);
}

static void buf_reserve_does_not_change_len(void)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct buf buf;
    buf_init(&buf, arena);
    char *room = buf_reserve(&buf, 1000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(room);
    memset(room, 'x', 1000);
    CU_ASSERT_EQUAL(buf.len, 0);
    CU_ASSERT(buf.cap >= 1000);
    arena_free(arena);
}

static void buf_stays_failed_once_memory_is_out(void)
{
    struct arena *arena = arena_new(1024);
    struct buf buf;
    buf_init(&buf, arena);
    buf_add_text(&buf, "kept");
    CU_ASSERT_PTR_NULL(buf_reserve(&buf, SIZE_MAX));
    CU_ASSERT(buf.failed);
    buf_add_text(&buf, "not added");
    buf_add_char(&buf, 'x');
    buf_printf(&buf, "%d", 1);
    CU_ASSERT_EQUAL(buf.len, 4);
    CU_ASSERT_PTR_NULL(buf_text(&buf));
    arena_free(arena);
}

static void buf_uses_the_last_bytes_of_the_cap(void)
{
    struct arena *arena = arena_new(1000 - 1000 % 16);
    struct buf buf;
    buf_init(&buf, arena);
    for (int i = 0; i < 990; i++)
        buf_add_char(&buf, 'x');
    CU_ASSERT_FALSE(buf.failed);
    for (int i = 0; i < 3; i++)
        buf_add_char(&buf, 'x');
    CU_ASSERT(buf.failed);
    arena_free(arena);
}

void suite_buf(void)
{
    CU_pSuite suite = CU_add_suite("buf", NULL, NULL);
    UNIT_TEST(suite, buf_keeps_every_byte_in_order);
    UNIT_TEST(suite, buf_adds_text_bytes_and_formats);
    UNIT_TEST(suite, buf_reserve_does_not_change_len);
    UNIT_TEST(suite, buf_stays_failed_once_memory_is_out);
    UNIT_TEST(suite, buf_uses_the_last_bytes_of_the_cap);
}
