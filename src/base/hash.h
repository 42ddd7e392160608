/* A fast hash, for what has nothing to fear from anybody who looks for collisions. */
#ifndef PARLEY_BASE_HASH_H
#define PARLEY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH64 with the seed 0. */
uint64_t hash_xxh64(const void *bytes, size_t n);

#endif
