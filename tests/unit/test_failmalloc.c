/* When memory runs out: each allocation of the work fails in turn; the right answer comes, and nothing leaks. */
#include "failmalloc.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "unit.h"

void suite_failmalloc(void);

#define CAP       ((size_t)16 * 1024 * 1024)
#define MOST_RUNS 1000

/* Work that answers whether it was done, and rightly; it must leave nothing behind. */
typedef bool work(void);

/* Runs the work with its first, second, ... allocation failing, until it makes no more of them. What fails may still be
 * made up for (a buffer that cannot double takes what just fits), but without a failure the work is done. */
static void check_work(work *do_work, unsigned least_failures)
{
    unsigned n = 1, undone = 0;
    for (; n < MOST_RUNS; n++) {
        long before = failmalloc_balance();
        failmalloc_after(n);
        bool done = do_work();
        bool failed = failmalloc_happened();
        failmalloc_after(0);
        CU_ASSERT_EQUAL(failmalloc_balance(), before);
        CU_ASSERT(done || failed);
        undone += !done;
        if (!failed)
            break;
    }
    CU_ASSERT(n < MOST_RUNS && undone >= least_failures);
}

static void release_nothing(void *thing)
{
    ++*(int *)thing;
}

static bool arena_work(void)
{
    int releases = 0;
    struct arena *arena = arena_new(CAP);
    if (!arena)
        return false;
    bool done = true;
    for (size_t i = 0; i < 40 && done; i++)
        done = arena_alloc(arena, 5000) && arena_strdup(arena, "text") && arena_printf(arena, "%zu", i);
    done = done && arena_alloc(arena, 500000) && arena_defer(arena, release_nothing, &releases) == 0;
    arena_free(arena);
    return done && releases == 1;
}

static bool buf_work(void)
{
    struct arena *arena = arena_new(CAP);
    if (!arena)
        return false;
    struct buf buf;
    buf_init(&buf, arena);
    for (int i = 0; i < 20000; i++)
        buf_printf(&buf, "%d,", i);
    bool done = buf_text(&buf) != NULL;
    CU_ASSERT_EQUAL(done, !buf.failed);
    CU_ASSERT(!done || buf.len == 108890);
    arena_free(arena);
    return done;
}

/* An array of objects large enough for several blocks. */
static const char *make_document(struct arena *arena, size_t *n)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, arena);
    json_writer_init(&writer, &out);
    json_begin_array(&writer);
    for (int i = 0; i < 800; i++) {
        json_begin_object(&writer);
        json_put_int(&writer, "number", i);
        json_put_text(&writer, "text", "with \"quotes\" and\nlines");
        json_put_raw(&writer, "raw", "[1.5,123456789012345678901234567890,null]");
        json_end_object(&writer);
    }
    json_end_array(&writer);
    *n = out.len;
    return buf_text(&out);
}

static bool json_work(void)
{
    struct arena *arena = arena_new(CAP);
    if (!arena)
        return false;
    size_t n;
    bool done = false;
    const char *text = make_document(arena, &n);
    if (text) {
        const struct json *document;
        struct json_error error;
        enum status status = json_parse(arena, text, n, &document, &error);
        CU_ASSERT(status == ST_OK || status == ST_UNAVAILABLE);
        const char *raw = status == ST_OK ? json_raw(arena, document) : NULL;
        done = raw && !strcmp(raw, text);
    }
    arena_free(arena);
    return done;
}

static void arena_survives_every_failed_allocation(void)
{
    check_work(arena_work, 5);
}

static void buf_survives_every_failed_allocation(void)
{
    check_work(buf_work, 2);
}

static void json_survives_every_failed_allocation(void)
{
    check_work(json_work, 4);
}

void suite_failmalloc(void)
{
    CU_pSuite suite = CU_add_suite("failmalloc", NULL, NULL);
    UNIT_TEST(suite, arena_survives_every_failed_allocation);
    UNIT_TEST(suite, buf_survives_every_failed_allocation);
    UNIT_TEST(suite, json_survives_every_failed_allocation);
}
