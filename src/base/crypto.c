/*
 * Randomness, hashes and encodings: the only user of OpenSSL's libcrypto.
 *
 * What must stay true: algorithms are fetched once (a fetch costs more than a hash), no error stays in OpenSSL's queue,
 * and nothing that depends on a secret's content decides how long a comparison takes. One thread a process.
 */
#include "base/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

/* Made at first use, kept for the life of the process. */
static EVP_MD *sha256;
static EVP_MD_CTX *sha256_ctx;
static EVP_MAC_CTX *hmac_ctx;

/* OpenSSL's word for success as a status; its queue is emptied, so that no later call finds an old error. */
static enum status finish(bool done)
{
    if (done)
        return ST_OK;
    ERR_clear_error();
    return ST_UNAVAILABLE;
}

enum status crypto_random(void *bytes, size_t n)
{
    return finish(n <= INT_MAX && RAND_bytes(bytes, (int)n) == 1);
}

static bool sha256_ready(void)
{
    if (!sha256)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256_ctx)
        sha256_ctx = EVP_MD_CTX_new();
    return sha256 && sha256_ctx;
}

enum status crypto_sha256(const void *data, size_t n, unsigned char digest[CRYPTO_SHA256_LEN])
{
    return finish(sha256_ready() && EVP_DigestInit_ex2(sha256_ctx, sha256, NULL) == 1 &&
                  EVP_DigestUpdate(sha256_ctx, data, n) == 1 && EVP_DigestFinal_ex(sha256_ctx, digest, NULL) == 1);
}

/* A context that knows its hash, so that a call only sets the key. */
static bool hmac_ready(void)
{
    if (hmac_ctx)
        return true;
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    if (ctx && EVP_MAC_CTX_set_params(ctx, params) == 1) {
        hmac_ctx = ctx;
        return true;
    }
    EVP_MAC_CTX_free(ctx);
    return false;
}

enum status crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
                               unsigned char digest[CRYPTO_SHA256_LEN])
{
    /* OpenSSL takes a NULL key for "the key of last time". */
    const unsigned char *bytes = key_len ? key : (const unsigned char *)"";
    size_t len = 0;
    return finish(hmac_ready() && EVP_MAC_init(hmac_ctx, bytes, key_len, NULL) == 1 &&
                  EVP_MAC_update(hmac_ctx, data, n) == 1 &&
                  EVP_MAC_final(hmac_ctx, digest, &len, CRYPTO_SHA256_LEN) == 1 && len == CRYPTO_SHA256_LEN);
}

/* What scrypt takes, for OpenSSL's maxmem (without one it refuses N >= 2^15): V and the scratch beside it are 128 * r *
 * (N + 2), B is 128 * r * p. 0 when the parameters break RFC 7914 or overflow. */
static uint64_t scrypt_memory(unsigned log_n, unsigned r, unsigned p)
{
    uint64_t blocks, memory;
    if (!r || !p || log_n < 1 || log_n > 62 || log_n / 16 >= r || (uint64_t)r * p >= (uint64_t)1 << 30)
        return 0;
    if (__builtin_add_overflow(((uint64_t)1 << log_n) + 3, p, &blocks) ||
        __builtin_mul_overflow(blocks, (uint64_t)r * 128, &memory))
        return 0;
    return memory;
}

enum status crypto_scrypt(const char *password, size_t password_len, const unsigned char *salt, size_t salt_len,
                          unsigned log_n, unsigned r, unsigned p, unsigned char *out, size_t out_len)
{
    uint64_t memory = scrypt_memory(log_n, r, p);
    if (!memory || !out_len)
        return ST_INVALID;
    return finish(EVP_PBE_scrypt(password_len ? password : "", password_len,
                                 salt_len ? salt : (const unsigned char *)"", salt_len, (uint64_t)1 << log_n, r, p,
                                 memory, out, out_len) == 1);
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void crypto_wipe(void *bytes, size_t n)
{
    OPENSSL_cleanse(bytes, n);
}

void crypto_base64url(const void *bytes, size_t n, char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *from = bytes;
    unsigned waiting = 0, bits = 0;
    for (size_t i = 0; i < n; i++) {
        waiting = waiting << 8 | from[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *text++ = alphabet[waiting >> (bits - 6) & 63];
    }
    if (bits)
        *text++ = alphabet[waiting << (6 - bits) & 63];
    *text = '\0';
}

/* The six bits a character stands for, or -1. */
static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

long crypto_base64url_decode(const char *text, size_t text_len, void *bytes, size_t cap)
{
    unsigned char *to = bytes;
    size_t len = 0;
    unsigned waiting = 0, bits = 0;
    /* One character alone cannot be a byte. */
    if (text_len % 4 == 1)
        return -1;
    for (size_t i = 0; i < text_len; i++) {
        int value = sextet(text[i]);
        if (value < 0)
            return -1;
        waiting = (waiting << 6 | (unsigned)value) & 0xFFF;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (len == cap)
            return -1;
        to[len++] = (unsigned char)(waiting >> bits);
    }
    /* Spare bits must be zero: every byte string has one encoding only. */
    if (waiting & ((1u << bits) - 1))
        return -1;
    return (long)len;
}

void crypto_hex(const void *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < n; i++) {
        *text++ = digits[from[i] >> 4];
        *text++ = digits[from[i] & 15];
    }
    *text = '\0';
}
