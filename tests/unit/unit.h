/* What every unit test file needs: a test is registered under its function's name, which is the promise it proves. */
#ifndef PARLEY_TESTS_UNIT_H
#define PARLEY_TESTS_UNIT_H

#include <CUnit/CUnit.h>

#define UNIT_TEST(suite, test) CU_add_test((suite), #test, (test))

#endif
