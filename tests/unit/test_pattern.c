/* The shapes of small inputs. */
#include "base/pattern.h"

#include <stddef.h>
#include <string.h>

#include "unit.h"

void suite_pattern(void);

static int prepare(void)
{
    return pattern_init() ? 0 : 1;
}

/* Text of n times c, between a head and a tail. The last one made is overwritten by the next. */
static const char *stretched(const char *head, char c, size_t n, const char *tail)
{
    static char text[8192];
    size_t at = strlen(head);
    memcpy(text, head, at);
    memset(text + at, c, n);
    memcpy(text + at + n, tail, strlen(tail) + 1);
    return text;
}

static void check(enum pattern pattern, bool expected, const char *const *texts)
{
    for (; *texts; texts++)
        if (pattern_matches(pattern, *texts) != expected)
            CU_FAIL(*texts);
}

static void pattern_email_takes_usual_addresses(void)
{
    static const char *const good[] = {"a@b.co",
                                       "Jane.Doe+tag@example.com",
                                       "o'brien@mail.example.org",
                                       "x_y-z@a-b.c.d",
                                       "1@2.3",
                                       "user@xn--bcher-kva.example",
                                       NULL};
    check(PATTERN_EMAIL, true, good);
    CU_ASSERT(pattern_matches(PATTERN_EMAIL, stretched("", 'a', 64, "@b.co")));
}

static void pattern_email_refuses_the_rest(void)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "@",
                                      "a@b",
                                      "@b.co",
                                      "a@",
                                      "a@@b.co",
                                      "a@b@c.de",
                                      "a b@c.de",
                                      "a@b c.de",
                                      "\"a\"@b.co",
                                      "a@b.co\n",
                                      "\na@b.co",
                                      "a@b.co ",
                                      "a\t@b.co",
                                      "a@.co",
                                      "a@b.",
                                      "a@b..co",
                                      "a@-b.co",
                                      "a@b-.co",
                                      "a@[1.2.3.4]",
                                      "a@b_c.de",
                                      "a\x7f@b.co",
                                      "\xC3\xA9@b.co",
                                      "a@b.co\r\nBcc: x@y.z",
                                      "a<b>@c.de",
                                      "a,b@c.de",
                                      NULL};
    check(PATTERN_EMAIL, false, bad);
    CU_ASSERT_FALSE(pattern_matches(PATTERN_EMAIL, stretched("", 'a', 65, "@b.co")));
    CU_ASSERT_FALSE(pattern_matches(PATTERN_EMAIL, stretched("a@", 'b', 64, ".co")));
}

static void pattern_email_ends_at_254_bytes(void)
{
    char domain[256];
    /* Labels of 49 letters and a dot: fifty bytes each. */
    memset(domain, 'b', sizeof(domain));
    for (size_t at = 49; at < sizeof(domain); at += 50)
        domain[at] = '.';
    memcpy(domain, "a@", 2);
    domain[254] = '\0';
    CU_ASSERT(pattern_matches(PATTERN_EMAIL, domain));
    domain[254] = 'b';
    domain[255] = '\0';
    CU_ASSERT_FALSE(pattern_matches(PATTERN_EMAIL, domain));
}

static void pattern_idempotency_key_is_visible_ascii(void)
{
    static const char *const good[] = {"1", "a-key", "!~", NULL};
    static const char *const bad[] = {"", "a b", "a\n", "\xC3\xA9", "\x7f", NULL};
    check(PATTERN_IDEMPOTENCY_KEY, true, good);
    check(PATTERN_IDEMPOTENCY_KEY, false, bad);
    CU_ASSERT(pattern_matches(PATTERN_IDEMPOTENCY_KEY, stretched("", 'k', 255, "")));
    CU_ASSERT_FALSE(pattern_matches(PATTERN_IDEMPOTENCY_KEY, stretched("", 'k', 256, "")));
}

static void pattern_request_id_has_8_to_64_word_characters(void)
{
    static const char *const good[] = {"12345678", "A.b_c-D9", NULL};
    static const char *const bad[] = {"1234567", "1234567 ", "12345678\n", "1234567=", "", NULL};
    check(PATTERN_REQUEST_ID, true, good);
    check(PATTERN_REQUEST_ID, false, bad);
    CU_ASSERT(pattern_matches(PATTERN_REQUEST_ID, stretched("", 'r', 64, "")));
    CU_ASSERT_FALSE(pattern_matches(PATTERN_REQUEST_ID, stretched("", 'r', 65, "")));
}

static void pattern_name_starts_with_a_letter(void)
{
    static const char *const good[] = {"a", "career-coach_2", NULL};
    static const char *const bad[] = {"", "2a", "-a", "A", "a b", "a/b", "a\n", NULL};
    check(PATTERN_NAME, true, good);
    check(PATTERN_NAME, false, bad);
    CU_ASSERT(pattern_matches(PATTERN_NAME, stretched("", 'n', 64, "")));
    CU_ASSERT_FALSE(pattern_matches(PATTERN_NAME, stretched("", 'n', 65, "")));
}

static void pattern_http_url_needs_a_scheme_and_a_host(void)
{
    static const char *const good[] = {"http://a",
                                       "https://api.example.com/v1",
                                       "http://127.0.0.1:11434/v1",
                                       "HTTPS://[::1]:8080?x=1",
                                       "http://model_server:80/#f",
                                       NULL};
    static const char *const bad[] = {"",
                                      "http://",
                                      "http:///v1",
                                      "ftp://a",
                                      "file:///etc/passwd",
                                      "//a",
                                      "http://a b",
                                      "http://a\n",
                                      "http://a/\r\n",
                                      "http://u:p@a",
                                      "http://a:",
                                      "http://a:999999",
                                      "http://a\\b",
                                      " http://a",
                                      "http://[::1",
                                      "http://\xC3\xA9.fr",
                                      "javascript://a",
                                      NULL};
    check(PATTERN_HTTP_URL, true, good);
    check(PATTERN_HTTP_URL, false, bad);
    CU_ASSERT(pattern_matches(PATTERN_HTTP_URL, stretched("http://a/", 'x', 2048 - 9, "")));
    CU_ASSERT_FALSE(pattern_matches(PATTERN_HTTP_URL, stretched("http://a/", 'x', 2049 - 9, "")));
}

static void pattern_moment_is_one_that_there_was(void)
{
    static const char *const good[] = {"2024-02-29 10:00",
                                       "2000-02-29T23:59:59.123456+05:30",
                                       "0001-01-01 00:00:00Z",
                                       "9999-12-31 00:00 UTC",
                                       "2023-04-30T00:00:00-08",
                                       "2023-11-30T00:00:00.5+0000",
                                       NULL};
    static const char *const bad[] = {"",
                                      "infinity",
                                      "2024-01-01",
                                      "2024-02-30 10:00",
                                      "2023-02-29 10:00",
                                      "1900-02-29 10:00",
                                      "2023-04-31 10:00",
                                      "0000-01-01 10:00",
                                      "0000-02-29 10:00",
                                      "2023-00-01 10:00",
                                      "2023-13-01 10:00",
                                      "12023-01-01 10:00",
                                      "2023-01-01 24:00",
                                      "2023-01-01 10:60",
                                      "2023-01-01 10:00\n",
                                      "2023-01-01 10:00 BC",
                                      "2023-01-01 10:00+15",
                                      "2023-01-01 10:00+1:00",
                                      NULL};
    check(PATTERN_MOMENT, true, good);
    check(PATTERN_MOMENT, false, bad);
}

void suite_pattern(void)
{
    CU_pSuite suite = CU_add_suite("pattern", prepare, NULL);
    UNIT_TEST(suite, pattern_email_takes_usual_addresses);
    UNIT_TEST(suite, pattern_email_refuses_the_rest);
    UNIT_TEST(suite, pattern_email_ends_at_254_bytes);
    UNIT_TEST(suite, pattern_idempotency_key_is_visible_ascii);
    UNIT_TEST(suite, pattern_request_id_has_8_to_64_word_characters);
    UNIT_TEST(suite, pattern_name_starts_with_a_letter);
    UNIT_TEST(suite, pattern_http_url_needs_a_scheme_and_a_host);
    UNIT_TEST(suite, pattern_moment_is_one_that_there_was);
}
