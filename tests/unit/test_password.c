/* Passwords and refresh tokens: what is stored proves, what is not stored cannot be made. */
#include "auth/password.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/refresh.h"
#include "base/crypto.h"
#include "unit.h"

void suite_password(void);

static int prepare(void)
{
    return password_init(1) == ST_OK ? 0 : 1;
}

static bool fits(const char *password, const char *hash)
{
    bool matches = true;
    struct fault fault = {0};
    CU_ASSERT_EQUAL(password_verify(password, hash, &matches, &fault), ST_OK);
    return matches;
}

static void password_fits_its_own_hash_alone(void)
{
    char one[PASSWORD_HASH_MAX], two[PASSWORD_HASH_MAX];
    struct fault fault = {0};
    CU_ASSERT_EQUAL(password_hash("correct horse", one, &fault), ST_OK);
    CU_ASSERT_EQUAL(password_hash("correct horse", two, &fault), ST_OK);
    CU_ASSERT_STRING_NOT_EQUAL(one, two);
    CU_ASSERT_EQUAL(strncmp(one, "$scrypt$ln=15,r=8,p=3$", 22), 0);
    CU_ASSERT_TRUE(fits("correct horse", one));
    CU_ASSERT_FALSE(fits("correct horsf", one));
    CU_ASSERT_FALSE(fits("", one));
}

static void password_of_nobody_never_fits(void)
{
    CU_ASSERT_FALSE(fits("anything", NULL));
    CU_ASSERT_FALSE(fits("anything", ""));
    CU_ASSERT_FALSE(fits("", "$scrypt$ln=15,r=8,p=3$$"));
    CU_ASSERT_FALSE(fits("", "$scrypt$ln=99,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAA"));
}

/* Another process holds the only place while a hash runs; when it dies the place is free. */
static void password_gate_caps_hashes_and_outlives_a_dead_holder(void)
{
    int ready[2];
    char hash[PASSWORD_HASH_MAX], byte = 0;
    struct fault fault = {0};
    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    pid_t child = fork();
    CU_ASSERT_TRUE_FATAL(child >= 0);
    if (child == 0) {
        (void)!write(ready[1], "x", 1);
        for (;;)
            if (password_hash("child", hash, &fault) != ST_OK)
                _exit(1);
    }
    CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
    enum status seen = ST_OK;
    for (int i = 0; i < 50 && seen == ST_OK; i++) {
        (void)usleep(20000);
        seen = password_hash("parent", hash, &fault);
        if (waitpid(child, NULL, WNOHANG) != 0)
            break; /* the child met us in the gate: as good a proof */
    }
    bool child_lives = waitpid(child, NULL, WNOHANG) == 0;
    CU_ASSERT_TRUE(seen == ST_UNAVAILABLE || !child_lives);
    if (seen == ST_UNAVAILABLE) {
        CU_ASSERT_STRING_EQUAL(fault.code, "busy");
        CU_ASSERT_EQUAL(fault.retry_after, 1);
    }
    if (child_lives) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    CU_ASSERT_EQUAL(password_hash("parent", hash, &fault), ST_OK);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void refresh_token_reads_back_as_what_it_is(void)
{
    struct uuid user;
    struct refresh_token token, read, other;
    CU_ASSERT_TRUE(uuid_parse(&user, "01890a5d-ac96-774b-bcce-b302099a8057"));
    CU_ASSERT_EQUAL(refresh_new(&token, &user), ST_OK);
    CU_ASSERT_EQUAL(refresh_new(&other, &user), ST_OK);
    CU_ASSERT_STRING_NOT_EQUAL(token.text, other.text);
    CU_ASSERT_STRING_NOT_EQUAL(token.family.text, other.family.text);
    CU_ASSERT_EQUAL(refresh_parse(&read, token.text), ST_OK);
    CU_ASSERT_STRING_EQUAL(read.user.text, user.text);
    CU_ASSERT_STRING_EQUAL(read.family.text, token.family.text);
    CU_ASSERT_STRING_EQUAL(read.hash, token.hash);
}

static void refresh_token_of_another_shape_is_refused(void)
{
    struct uuid user;
    struct refresh_token token, read;
    CU_ASSERT_TRUE(uuid_parse(&user, "01890a5d-ac96-774b-bcce-b302099a8057"));
    CU_ASSERT_EQUAL(refresh_new(&token, &user), ST_OK);
    CU_ASSERT_EQUAL(refresh_parse(&read, ""), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(refresh_parse(&read, "x"), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(refresh_parse(&read, token.text + 1), ST_UNAUTHENTICATED);
    token.text[5] = '!';
    CU_ASSERT_EQUAL(refresh_parse(&read, token.text), ST_UNAUTHENTICATED);
}

void suite_password(void)
{
    CU_pSuite suite = CU_add_suite("password", prepare, NULL);
    UNIT_TEST(suite, password_fits_its_own_hash_alone);
    UNIT_TEST(suite, password_of_nobody_never_fits);
    UNIT_TEST(suite, password_gate_caps_hashes_and_outlives_a_dead_holder);
    UNIT_TEST(suite, refresh_token_reads_back_as_what_it_is);
    UNIT_TEST(suite, refresh_token_of_another_shape_is_refused);
}
