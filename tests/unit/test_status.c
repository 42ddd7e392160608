/* Statuses and faults. */
#include "base/status.h"

#include <string.h>

#include "unit.h"

void suite_status(void);

static void status_has_an_http_status_and_a_code_for_each(void)
{
    for (enum status status = ST_INVALID; status <= ST_INTERNAL; status++) {
        CU_ASSERT(status_http(status) >= 400 && status_http(status) < 600);
        CU_ASSERT(strlen(status_code(status)) > 0);
    }
    CU_ASSERT_EQUAL(status_http(ST_OK), 200);
    CU_ASSERT_EQUAL(status_http(ST_TOO_MANY), 429);
    CU_ASSERT_STRING_EQUAL(status_code(ST_NOT_FOUND), "not_found");
    CU_ASSERT_STRING_EQUAL(status_code(ST_UNAVAILABLE), "unavailable");
}

static void fault_set_answers_its_status(void)
{
    struct fault fault = {0};
    CU_ASSERT_EQUAL(fault_set(&fault, ST_CONFLICT, "turn_in_progress", "A turn is running."), ST_CONFLICT);
    CU_ASSERT_STRING_EQUAL(fault.code, "turn_in_progress");
    CU_ASSERT_STRING_EQUAL(fault.detail, "A turn is running.");
}

static void fault_field_names_each_field_once(void)
{
    struct fault fault = {0};
    CU_ASSERT_EQUAL(fault_field(&fault, "title", "is too long"), ST_INVALID);
    CU_ASSERT_EQUAL(fault_field(&fault, "title", "must not be empty"), ST_INVALID);
    CU_ASSERT_EQUAL(fault.fields, 1);
    CU_ASSERT_STRING_EQUAL(fault.field[0].message, "is too long");
}

static void fault_field_keeps_the_first_eight(void)
{
    static const char *const names[] = {"first", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    struct fault fault = {0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CU_ASSERT_EQUAL(fault_field(&fault, names[i], "is wrong"), ST_INVALID);
    CU_ASSERT_EQUAL(fault.fields, FAULT_FIELDS_MAX);
    CU_ASSERT_STRING_EQUAL(fault.field[0].field, "first");
    CU_ASSERT_STRING_EQUAL(fault.field[FAULT_FIELDS_MAX - 1].message, "is wrong");
}

void suite_status(void)
{
    CU_pSuite suite = CU_add_suite("status", NULL, NULL);
    UNIT_TEST(suite, status_has_an_http_status_and_a_code_for_each);
    UNIT_TEST(suite, fault_set_answers_its_status);
    UNIT_TEST(suite, fault_field_names_each_field_once);
    UNIT_TEST(suite, fault_field_keeps_the_first_eight);
}
