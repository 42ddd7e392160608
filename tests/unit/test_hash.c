/* XXH64 against values of the reference implementation. */
#include "base/hash.h"

#include <string.h>

#include "unit.h"

void suite_hash(void);

static void hash_xxh64_gives_the_known_values(void)
{
    CU_ASSERT_EQUAL(hash_xxh64("", 0), 0xEF46DB3751D8E999u);
    CU_ASSERT_EQUAL(hash_xxh64("a", 1), 0xD24EC4F1A98C6E5Bu);
    CU_ASSERT_EQUAL(hash_xxh64("abc", 3), 0x44BC2CF5AD770999u);
    CU_ASSERT_EQUAL(hash_xxh64("Nobody inspects the spammish repetition", 39), 0xFBCEA83C8A378BF1u);
}

static void hash_xxh64_depends_on_every_bit_and_on_the_length(void)
{
    unsigned char bytes[67] = {0};
    unsigned same = 0;
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        uint64_t before = hash_xxh64(bytes, n);
        same += before == hash_xxh64(bytes, n - 1);
        for (size_t bit = 0; bit < n * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            same += before == hash_xxh64(bytes, n);
            bytes[bit / 8] = 0;
        }
    }
    CU_ASSERT_EQUAL(same, 0);
}

void suite_hash(void)
{
    CU_pSuite suite = CU_add_suite("hash", NULL, NULL);
    UNIT_TEST(suite, hash_xxh64_gives_the_known_values);
    UNIT_TEST(suite, hash_xxh64_depends_on_every_bit_and_on_the_length);
}
