/* XXH64, as xxHash's specification has it: four lanes of eight bytes, joined and stirred. */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

#define LANES       4
#define STRIPE_SIZE (LANES * sizeof(uint64_t))

static const uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F, prime3 = 0x165667B19E3779F9,
                      prime4 = 0x85EBCA77C2B2AE63, prime5 = 0x27D4EB2F165667C5;

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static uint64_t read64(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

static uint32_t read32(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return le32toh(word);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * prime2, 31) * prime1;
}

/* Takes all whole stripes and moves *at behind them. */
static uint64_t take_stripes(const unsigned char **at, size_t n)
{
    uint64_t lane[LANES] = {prime1 + prime2, prime2, 0, 0 - prime1};
    for (; n >= STRIPE_SIZE; n -= STRIPE_SIZE)
        for (unsigned i = 0; i < LANES; i++, *at += sizeof(uint64_t))
            lane[i] = mix(lane[i], read64(*at));
    uint64_t hash = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (unsigned i = 0; i < LANES; i++)
        hash = (hash ^ mix(0, lane[i])) * prime1 + prime4;
    return hash;
}

/* Takes the fewer than STRIPE_SIZE bytes at the end. */
static uint64_t take_rest(uint64_t hash, const unsigned char *at, size_t n)
{
    for (; n >= 8; n -= 8, at += 8)
        hash = rotate(hash ^ mix(0, read64(at)), 27) * prime1 + prime4;
    for (; n >= 4; n -= 4, at += 4)
        hash = rotate(hash ^ read32(at) * prime1, 23) * prime2 + prime3;
    for (; n; n--, at++)
        hash = rotate(hash ^ *at * prime5, 11) * prime1;
    return hash;
}

uint64_t hash_xxh64(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t hash = n >= STRIPE_SIZE ? take_stripes(&at, n) : prime5;
    hash = take_rest(hash + n, at, n % STRIPE_SIZE);
    hash = (hash ^ hash >> 33) * prime2;
    hash = (hash ^ hash >> 29) * prime3;
    return hash ^ hash >> 32;
}
