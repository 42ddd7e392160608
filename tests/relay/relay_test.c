/* Runs the relay's suites, between a model, a database and a clock of their own. */
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

#include "base/arena.h"
#include "base/log.h"
#include "fakes.h"

void suite_viewer(void);
void suite_relay(void);

int main(void)
{
    log_open(-1, LOG_LEVEL_ERROR);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    suite_viewer();
    suite_relay();
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    arena_free(fake_arena);
    return failed || !run ? 1 : 0;
}
