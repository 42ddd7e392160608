/* Runs every unit suite; the exit status is 1 when anything failed. */
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

/* One line a suite. */
#define SUITES(X)                                                                                                      \
    X(arena)                                                                                                           \
    X(buf)                                                                                                             \
    X(clock)                                                                                                           \
    X(config)                                                                                                          \
    X(crypto)                                                                                                          \
    X(failmalloc)                                                                                                      \
    X(frames)                                                                                                          \
    X(handover)                                                                                                        \
    X(hash)                                                                                                            \
    X(json)                                                                                                            \
    X(json_writer)                                                                                                     \
    X(invitation)                                                                                                      \
    X(jwt)                                                                                                             \
    X(log)                                                                                                             \
    X(loop)                                                                                                            \
    X(metrics)                                                                                                         \
    X(model_stream)                                                                                                    \
    X(options)                                                                                                         \
    X(password)                                                                                                        \
    X(pattern)                                                                                                         \
    X(reply)                                                                                                           \
    X(request)                                                                                                         \
    X(route)                                                                                                           \
    X(serve)                                                                                                           \
    X(sqlstate)                                                                                                        \
    X(status)                                                                                                          \
    X(turn_log)                                                                                                        \
    X(utf8)                                                                                                            \
    X(uuid)

#define DECLARE(noun) void suite_##noun(void);
SUITES(DECLARE)

#define REGISTER(noun) suite_##noun();

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    SUITES(REGISTER)
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failed || !run ? 1 : 0;
}
