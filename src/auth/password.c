/*
 * Passwords as scrypt hashes in PHC form.
 *
 * What must stay true: no password or hash is ever logged; an unknown login costs what a known one costs.
 */
#include "auth/password.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto.h"

/* OWASP's present advice for scrypt: N = 2^15, r = 8, p = 3. */
#define LOG_N    15
#define BLOCK    8
#define PARALLEL 3
#define SALT_LEN 16
#define HASH_LEN 32

/* The gate: an anonymous file whose first `places` bytes are locked by those who hash. */
static int gate_fd = -1;
static int gate_places;

struct parts {
    unsigned log_n, r, p;
    unsigned char salt[SALT_LEN];
    unsigned char hash[HASH_LEN];
};

enum status password_init(int at_once)
{
    if (gate_fd >= 0)
        (void)close(gate_fd);
    gate_places = at_once;
    gate_fd = memfd_create("parley-hashes", MFD_CLOEXEC);
    return gate_fd < 0 ? ST_UNAVAILABLE : ST_OK;
}

/* Locks or unlocks a place; fcntl locks belong to the process and end with it. */
static bool gate_lock(int place, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};
    return fcntl(gate_fd, F_SETLK, &lock) == 0;
}

/* Takes a place and answers it; -1 when all are taken. */
static int gate_enter(void)
{
    for (int place = 0; place < gate_places; place++)
        if (gate_lock(place, F_WRLCK))
            return place;
    return -1;
}

static enum status hash_in_gate(const char *password, const struct parts *parts, unsigned char out[HASH_LEN],
                                struct fault *fault)
{
    int place = gate_enter();
    if (place < 0) {
        fault->retry_after = 1;
        return fault_set(fault, ST_UNAVAILABLE, "busy", "Too many sign-ins at this moment.");
    }
    enum status status = crypto_scrypt(password, strlen(password), parts->salt, SALT_LEN, parts->log_n, parts->r,
                                       parts->p, out, HASH_LEN);
    (void)gate_lock(place, F_UNLCK);
    return status;
}

/* PHC strings use the standard base64 alphabet, the rest of the program the URL's. */
static void swap_alphabet(char *text, const char from[2], const char to[2])
{
    for (; *text; text++)
        for (int i = 0; i < 2; i++)
            if (*text == from[i])
                *text = to[i];
}

static void encode(const struct parts *parts, char text[PASSWORD_HASH_MAX])
{
    char salt[CRYPTO_BASE64_LEN(SALT_LEN) + 1], hash[CRYPTO_BASE64_LEN(HASH_LEN) + 1];
    crypto_base64url(parts->salt, SALT_LEN, salt);
    crypto_base64url(parts->hash, HASH_LEN, hash);
    swap_alphabet(salt, "-_", "+/");
    swap_alphabet(hash, "-_", "+/");
    (void)snprintf(text, PASSWORD_HASH_MAX, "$scrypt$ln=%u,r=%u,p=%u$%s$%s", parts->log_n, parts->r, parts->p, salt,
                   hash);
}

static bool decode(const char *text, struct parts *parts)
{
    char salt[64], hash[64];
    int end = 0;
    if (sscanf(text, "$scrypt$ln=%2u,r=%2u,p=%2u$%63[A-Za-z0-9+/]$%63[A-Za-z0-9+/]%n", &parts->log_n, &parts->r,
               &parts->p, salt, hash, &end) != 5 ||
        text[end])
        return false;
    swap_alphabet(salt, "+/", "-_");
    swap_alphabet(hash, "+/", "-_");
    return crypto_base64url_decode(salt, strlen(salt), parts->salt, SALT_LEN) == SALT_LEN &&
           crypto_base64url_decode(hash, strlen(hash), parts->hash, HASH_LEN) == HASH_LEN;
}

enum status password_hash(const char *password, char hash[PASSWORD_HASH_MAX], struct fault *fault)
{
    struct parts parts = {.log_n = LOG_N, .r = BLOCK, .p = PARALLEL};
    enum status status = crypto_random(parts.salt, SALT_LEN);
    if (status == ST_OK)
        status = hash_in_gate(password, &parts, parts.hash, fault);
    if (status == ST_OK)
        encode(&parts, hash);
    crypto_wipe(&parts, sizeof(parts));
    return status;
}

enum status password_verify(const char *password, const char *hash, bool *matches, struct fault *fault)
{
    const struct parts nobody = {.log_n = LOG_N, .r = BLOCK, .p = PARALLEL};
    struct parts parts = nobody;
    unsigned char made[HASH_LEN] = {0};
    bool known = hash && decode(hash, &parts);
    if (!known)
        parts = nobody;
    *matches = false;
    enum status status = hash_in_gate(password, &parts, made, fault);
    if (status == ST_OK)
        *matches = crypto_equal(made, parts.hash, HASH_LEN) && known;
    crypto_wipe(&parts, sizeof(parts));
    crypto_wipe(made, sizeof(made));
    return status;
}
