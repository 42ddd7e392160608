/*
 * Allocations that fail on demand. The unit tests are linked with --wrap, so that malloc, calloc, realloc and free as
 * called by the program's own objects and the tests come here; what libraries allocate does not.
 */
#ifndef PARLEY_TESTS_FAILMALLOC_H
#define PARLEY_TESTS_FAILMALLOC_H

#include <stdbool.h>

/* The n-th allocation from now on fails, once; 0: none does. */
void failmalloc_after(unsigned n);

/* Whether an allocation failed since failmalloc_after was called. */
bool failmalloc_happened(void);

/* Allocations made less those freed, ever: the same before and after work that leaks nothing. */
long failmalloc_balance(void);

#endif
