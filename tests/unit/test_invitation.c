/* Invitations: what is signed is believed until it ends, and nothing else. */
#include "auth/invitation.h"

#include <string.h>

#include "unit.h"

void suite_invitation(void);

#define NOW 1800000000

static struct settings settings;
static struct invitation given;
static char text[INVITATION_TEXT_LEN + 1];

static int prepare(void)
{
    settings.jwt_secret.len = 32;
    memset(settings.jwt_secret.bytes, 'a', 32);
    settings.jwt_previous_secret.len = 0;
    given.ends_at = NOW + INVITATION_SECONDS;
    given.round = 258;
    return uuid_v7(&given.project) && uuid_v7(&given.owner) && invitation_sign(&settings, &given, text) == ST_OK ? 0
                                                                                                                 : 1;
}

static enum status verify(int64_t now, struct invitation *invitation)
{
    return invitation_verify(&settings, text, now, invitation);
}

static void invitation_tells_what_was_signed(void)
{
    struct invitation read;
    CU_ASSERT_EQUAL(strlen(text), INVITATION_TEXT_LEN);
    CU_ASSERT_EQUAL_FATAL(verify(NOW, &read), ST_OK);
    CU_ASSERT_STRING_EQUAL(read.project.text, given.project.text);
    CU_ASSERT_STRING_EQUAL(read.owner.text, given.owner.text);
    CU_ASSERT_EQUAL(read.ends_at, given.ends_at);
    CU_ASSERT_EQUAL(read.round, given.round);
}

static void invitation_ends(void)
{
    struct invitation read;
    CU_ASSERT_EQUAL(verify(given.ends_at - 1, &read), ST_OK);
    CU_ASSERT_EQUAL(verify(given.ends_at, &read), ST_INVALID);
}

static void invitation_with_any_character_changed_is_none(void)
{
    struct invitation read;
    for (size_t at = 0; at < INVITATION_TEXT_LEN; at++) {
        char kept = text[at];
        text[at] = kept == 'A' ? 'B' : 'A';
        CU_ASSERT_EQUAL(verify(NOW, &read), ST_INVALID);
        text[at] = kept;
    }
    CU_ASSERT_EQUAL(verify(NOW, &read), ST_OK);
}

static void invitation_outlives_one_change_of_the_secret(void)
{
    struct invitation read;
    struct settings before = settings;
    settings.jwt_previous_secret = before.jwt_secret;
    memset(settings.jwt_secret.bytes, 'b', 32);
    CU_ASSERT_EQUAL(verify(NOW, &read), ST_OK);
    settings.jwt_previous_secret.len = 0;
    CU_ASSERT_EQUAL(verify(NOW, &read), ST_INVALID);
    settings = before;
}

void suite_invitation(void)
{
    CU_pSuite suite = CU_add_suite("invitation", prepare, NULL);
    UNIT_TEST(suite, invitation_tells_what_was_signed);
    UNIT_TEST(suite, invitation_ends);
    UNIT_TEST(suite, invitation_with_any_character_changed_is_none);
    UNIT_TEST(suite, invitation_outlives_one_change_of_the_secret);
}
