/* Randomness, hashes and encodings. The only user of OpenSSL's libcrypto. */
#ifndef PARLEY_BASE_CRYPTO_H
#define PARLEY_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_SHA256_HEX 64

/* n random bytes fit for keys; ST_UNAVAILABLE when the system gives none. */
enum status crypto_random(void *bytes, size_t n) MUST_CHECK;

enum status crypto_sha256(const void *data, size_t n, unsigned char digest[CRYPTO_SHA256_LEN]) MUST_CHECK;
enum status crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t n,
                               unsigned char digest[CRYPTO_SHA256_LEN]) MUST_CHECK;

/* scrypt (RFC 7914): cost N = 2^log_n, block size r, parallelization p, out_len bytes of key. Takes 128 * N * r bytes
 * while it runs. ST_UNAVAILABLE when memory is out, ST_INVALID for parameters the RFC or OpenSSL refuses. */
enum status crypto_scrypt(const char *password, size_t password_len, const unsigned char *salt, size_t salt_len,
                          unsigned log_n, unsigned r, unsigned p, unsigned char *out, size_t out_len) MUST_CHECK;

/* Equality in time that depends on n alone. */
bool crypto_equal(const void *a, const void *b, size_t n);

/* Overwrites secrets; the compiler cannot leave it out. */
void crypto_wipe(void *bytes, size_t n);

/* base64url without padding (RFC 4648 section 5). Encode writes CRYPTO_BASE64_LEN(n) characters and a NUL. Decode is
 * strict (alphabet, no padding, spare bits zero), writes at most cap bytes and answers how many, or -1. */
#define CRYPTO_BASE64_LEN(n) (((n)*4 + 2) / 3)
void crypto_base64url(const void *bytes, size_t n, char *text);
long crypto_base64url_decode(const char *text, size_t text_len, void *bytes, size_t cap);

/* Lower-case hexadecimal, 2 * n characters and a NUL. */
void crypto_hex(const void *bytes, size_t n, char *text);

#endif
