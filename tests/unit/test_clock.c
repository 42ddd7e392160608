/* Time and its text. */
#include "base/clock.h"

#include <string.h>

#include "unit.h"

void suite_clock(void);

static void clock_writes_moments_as_rfc3339(void)
{
    static const struct {
        int64_t ms;
        const char *text;
    } moments[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {951782400123, "2000-02-29T00:00:00.123Z"},
        {1769860800007, "2026-01-31T12:00:00.007Z"},
        {4107542399999, "2100-02-28T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        char text[CLOCK_RFC3339_LEN + 1];
        clock_rfc3339(moments[i].ms, text);
        CU_ASSERT_STRING_EQUAL(text, moments[i].text);
    }
}

static void clock_monotonic_never_goes_back(void)
{
    int64_t before = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_us();
        CU_ASSERT(now >= before);
        before = now;
    }
    CU_ASSERT(clock_monotonic_ms() >= before / 1000);
}

static void clock_real_is_of_this_century(void)
{
    CU_ASSERT(clock_real_ms() > 1600000000000);
    CU_ASSERT(clock_real_ms() < 4102444800000);
}

void suite_clock(void)
{
    CU_pSuite suite = CU_add_suite("clock", NULL, NULL);
    UNIT_TEST(suite, clock_writes_moments_as_rfc3339);
    UNIT_TEST(suite, clock_monotonic_never_goes_back);
    UNIT_TEST(suite, clock_real_is_of_this_century);
}
