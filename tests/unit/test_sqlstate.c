/* What SQLSTATEs mean. */
#include "db/sqlstate.h"

#include "unit.h"

void suite_sqlstate(void);

static void sqlstate_of_our_own_functions_names_the_status(void)
{
    CU_ASSERT_EQUAL(sqlstate_status("PA400"), ST_INVALID);
    CU_ASSERT_EQUAL(sqlstate_status("PA401"), ST_UNAUTHENTICATED);
    CU_ASSERT_EQUAL(sqlstate_status("PA403"), ST_FORBIDDEN);
    CU_ASSERT_EQUAL(sqlstate_status("PA404"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(sqlstate_status("PA409"), ST_CONFLICT);
    CU_ASSERT_EQUAL(sqlstate_status("PA422"), ST_UNPROCESSABLE);
    CU_ASSERT_EQUAL(sqlstate_status("PA429"), ST_TOO_MANY);
    CU_ASSERT_EQUAL(sqlstate_status("PA999"), ST_INTERNAL);
}

static void sqlstate_of_a_broken_rule_is_the_callers(void)
{
    CU_ASSERT_EQUAL(sqlstate_status("23503"), ST_NOT_FOUND);
    CU_ASSERT_EQUAL(sqlstate_status("23505"), ST_CONFLICT);
    CU_ASSERT_EQUAL(sqlstate_status("23514"), ST_INVALID);
    CU_ASSERT_EQUAL(sqlstate_status("22P02"), ST_INVALID);
    CU_ASSERT_EQUAL(sqlstate_status("22021"), ST_INVALID);
}

static void sqlstate_of_a_server_in_trouble_is_unavailable(void)
{
    static const char *const states[] = {"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03",
                                         "53100", "53200", "53300", "08006", "08P01", "25P03"};
    for (unsigned i = 0; i < sizeof(states) / sizeof(*states); i++)
        CU_ASSERT_EQUAL(sqlstate_status(states[i]), ST_UNAVAILABLE);
}

static void sqlstate_nobody_thought_of_is_our_defect(void)
{
    static const char *const states[] = {"42P01", "42501", "42703", "XX000", "23502", "P0001", "26000", "", "2"};
    for (unsigned i = 0; i < sizeof(states) / sizeof(*states); i++)
        CU_ASSERT_EQUAL(sqlstate_status(states[i]), ST_INTERNAL);
}

static void sqlstate_retries_only_what_the_database_gave_up(void)
{
    CU_ASSERT(sqlstate_retry("40001"));
    CU_ASSERT(sqlstate_retry("40P01"));
    CU_ASSERT_FALSE(sqlstate_retry("40003"));
    CU_ASSERT_FALSE(sqlstate_retry("57P01"));
    CU_ASSERT_FALSE(sqlstate_retry("PA409"));
}

void suite_sqlstate(void)
{
    CU_pSuite suite = CU_add_suite("sqlstate", NULL, NULL);
    UNIT_TEST(suite, sqlstate_of_our_own_functions_names_the_status);
    UNIT_TEST(suite, sqlstate_of_a_broken_rule_is_the_callers);
    UNIT_TEST(suite, sqlstate_of_a_server_in_trouble_is_unavailable);
    UNIT_TEST(suite, sqlstate_nobody_thought_of_is_our_defect);
    UNIT_TEST(suite, sqlstate_retries_only_what_the_database_gave_up);
}
