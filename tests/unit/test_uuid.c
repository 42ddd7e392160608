/* UUIDs: parsed strictly, made in order. */
#include "base/uuid.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

void suite_uuid(void);

static const char example[] = "0190163d-8694-739b-aea5-966c26f8ad91";

static void uuid_parse_takes_canonical_text_in_either_case(void)
{
    struct uuid uuid;
    CU_ASSERT(uuid_parse(&uuid, example));
    CU_ASSERT_STRING_EQUAL(uuid.text, example);
    CU_ASSERT(uuid_parse(&uuid, "0190163D-8694-739B-AEA5-966C26F8AD91"));
    CU_ASSERT_STRING_EQUAL(uuid.text, example);
    CU_ASSERT(uuid_parse(&uuid, "00000000-0000-0000-0000-000000000000"));
}

static void uuid_parse_refuses_anything_else(void)
{
    static const char *const others[] = {
        "",
        "0190163d",
        "0190163d-8694-739b-aea5-966c26f8ad9",
        "0190163d-8694-739b-aea5-966c26f8ad911",
        "0190163d-8694-739b-aea5-966c26f8ad91 ",
        " 0190163d-8694-739b-aea5-966c26f8ad91",
        "{0190163d-8694-739b-aea5-966c26f8ad91}",
        "0190163d8694739baea5966c26f8ad91",
        "0190163d-8694-739b-aea5+966c26f8ad91",
        "0190163-d8694-739b-aea5-966c26f8ad91",
        "0190163g-8694-739b-aea5-966c26f8ad91",
        "0190163d-8694-739b-aea5-966c26f8ad9'",
        "------------------------------------",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct uuid uuid = {"as it was"};
        CU_ASSERT_FALSE(uuid_parse(&uuid, others[i]));
        CU_ASSERT_STRING_EQUAL(uuid.text, "as it was");
    }
}

static void uuid_parse_lets_no_foreign_byte_stand_anywhere(void)
{
    unsigned wrong = 0;
    for (size_t at = 0; at < UUID_LEN; at++)
        for (int c = 0; c < 256; c++) {
            char text[UUID_LEN + 1];
            memcpy(text, example, sizeof(text));
            text[at] = (char)c;
            bool dash = at == 8 || at == 13 || at == 18 || at == 23;
            bool fits = dash ? c == '-' : c && strchr("0123456789abcdefABCDEF", c) != NULL;
            struct uuid uuid;
            wrong += uuid_parse(&uuid, text) != fits;
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void uuid_v7_is_of_version_7_and_of_now(void)
{
    struct uuid uuid, again;
    unsigned char bytes[16];
    int64_t before = clock_real_ms();
    CU_ASSERT_FATAL(uuid_v7(&uuid));
    CU_ASSERT(uuid_parse(&again, uuid.text));
    uuid_to_bytes(&uuid, bytes);
    CU_ASSERT_EQUAL(bytes[6] >> 4, 7);
    CU_ASSERT_EQUAL(bytes[8] >> 6, 2);
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | bytes[i];
    CU_ASSERT(ms >= before && ms <= clock_real_ms() + 10);
}

static void uuid_v7_always_grows(void)
{
    struct uuid before, now;
    CU_ASSERT_FATAL(uuid_v7(&before));
    for (int i = 0; i < 20000; i++) {
        CU_ASSERT_FATAL(uuid_v7(&now));
        if (strcmp(before.text, now.text) >= 0)
            CU_FAIL_FATAL("a later UUID does not sort behind an earlier one");
        before = now;
    }
}

static void uuid_v7_differs_between_a_process_and_its_child(void)
{
    struct uuid mine, theirs = {""};
    int ends[2];
    CU_ASSERT_FATAL(uuid_v7(&mine) && pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        bool sent = uuid_v7(&theirs) && write(ends[1], &theirs, sizeof(theirs)) == sizeof(theirs);
        _exit(sent ? 0 : 1);
    }
    CU_ASSERT(uuid_v7(&mine));
    CU_ASSERT_EQUAL(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    CU_ASSERT_STRING_NOT_EQUAL(mine.text + 19, theirs.text + 19);
}

static void uuid_v4_is_random_and_of_version_4(void)
{
    struct uuid a, b;
    CU_ASSERT_FATAL(uuid_v4(&a) && uuid_v4(&b));
    CU_ASSERT_STRING_NOT_EQUAL(a.text, b.text);
    CU_ASSERT_EQUAL(a.text[14], '4');
    CU_ASSERT_PTR_NOT_NULL(strchr("89ab", a.text[19]));
}

static void uuid_bytes_go_there_and_back(void)
{
    struct uuid uuid, back;
    unsigned char bytes[16];
    CU_ASSERT_FATAL(uuid_parse(&uuid, example));
    uuid_to_bytes(&uuid, bytes);
    CU_ASSERT_EQUAL(bytes[0], 0x01);
    CU_ASSERT_EQUAL(bytes[15], 0x91);
    uuid_from_bytes(&back, bytes);
    CU_ASSERT_STRING_EQUAL(back.text, example);
}

void suite_uuid(void)
{
    CU_pSuite suite = CU_add_suite("uuid", NULL, NULL);
    UNIT_TEST(suite, uuid_parse_takes_canonical_text_in_either_case);
    UNIT_TEST(suite, uuid_parse_refuses_anything_else);
    UNIT_TEST(suite, uuid_parse_lets_no_foreign_byte_stand_anywhere);
    UNIT_TEST(suite, uuid_v7_is_of_version_7_and_of_now);
    UNIT_TEST(suite, uuid_v7_always_grows);
    UNIT_TEST(suite, uuid_v7_differs_between_a_process_and_its_child);
    UNIT_TEST(suite, uuid_v4_is_random_and_of_version_4);
    UNIT_TEST(suite, uuid_bytes_go_there_and_back);
}
