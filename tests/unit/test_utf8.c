/* UTF-8 by the table of RFC 3629. */
#include "base/utf8.h"

#include <string.h>

#include "unit.h"

void suite_utf8(void);

/* Whether 1 to 4 bytes are one code point, decoded arithmetically: the answer to compare with. */
static bool is_code_point(const unsigned char *s, size_t n)
{
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0}, mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    if ((s[0] & ~mask[n] & 0xFF) != lead[n])
        return false;
    unsigned long c = s[0] & mask[n];
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return false;
        c = c << 6 | (s[i] & 0x3F);
    }
    return c >= least[n] && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
}

static void utf8_sequence_agrees_with_arithmetic_on_all_short_inputs(void)
{
    unsigned wrong = 0;
    /* All pairs, and before the interesting third and fourth bytes all pairs again. */
    static const unsigned char tails[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (unsigned pair = 0; pair < 0x10000; pair++)
        for (unsigned tail = 0; tail < 36; tail++) {
            const unsigned char s[4] = {(unsigned char)(pair >> 8), (unsigned char)pair, tails[tail / 6],
                                        tails[tail % 6]};
            size_t expected = 0;
            for (size_t n = 1; n <= 4 && !expected; n++)
                if (is_code_point(s, n))
                    expected = n;
            wrong += utf8_sequence((const char *)s, 4) != expected;
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void utf8_refuses_what_is_cut_off(void)
{
    CU_ASSERT_EQUAL(utf8_sequence("\xC3\xA9", 1), 0);
    CU_ASSERT_EQUAL(utf8_sequence("\xE2\x82\xAC", 2), 0);
    CU_ASSERT_EQUAL(utf8_sequence("\xF0\x9F\x98\x80", 3), 0);
    CU_ASSERT_EQUAL(utf8_sequence("\xF0\x9F\x98\x80", 4), 4);
}

static void utf8_valid_finds_a_bad_byte_at_every_place(void)
{
    char text[40];
    for (size_t n = 0; n <= sizeof(text); n++) {
        memset(text, 'a', sizeof(text));
        CU_ASSERT(utf8_valid(text, n));
        for (size_t at = 0; at < n; at++) {
            text[at] = (char)0xC0;
            CU_ASSERT_FALSE(utf8_valid(text, n));
            text[at] = 'a';
        }
    }
    CU_ASSERT(utf8_valid("a\0b", 3));
    CU_ASSERT(utf8_valid("aaaaaaa\xE2\x82\xAC", 10));
    CU_ASSERT_FALSE(utf8_valid("aaaaaaa\xE2\x82\xAC", 9));
}

static void utf8_counts_and_cuts_by_characters(void)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* 1, 2, 3, 4, 1 bytes */
    CU_ASSERT_EQUAL(utf8_length(text, 11), 5);
    static const size_t cuts[] = {0, 1, 3, 6, 10, 11, 11};
    for (size_t characters = 0; characters < 7; characters++)
        CU_ASSERT_EQUAL(utf8_prefix(text, 11, characters), cuts[characters]);
    CU_ASSERT_EQUAL(utf8_length("", 0), 0);
    CU_ASSERT_EQUAL(utf8_prefix("", 0, 3), 0);
}

void suite_utf8(void)
{
    CU_pSuite suite = CU_add_suite("utf8", NULL, NULL);
    UNIT_TEST(suite, utf8_sequence_agrees_with_arithmetic_on_all_short_inputs);
    UNIT_TEST(suite, utf8_refuses_what_is_cut_off);
    UNIT_TEST(suite, utf8_valid_finds_a_bad_byte_at_every_place);
    UNIT_TEST(suite, utf8_counts_and_cuts_by_characters);
}
