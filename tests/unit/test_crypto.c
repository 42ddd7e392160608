/* Hashes, encodings and randomness against the vectors of their RFCs. */
#include "base/crypto.h"

#include <string.h>

#include "unit.h"

void suite_crypto(void);

static void crypto_sha256_gives_the_known_digests(void)
{
    unsigned char digest[CRYPTO_SHA256_LEN];
    char hex[CRYPTO_SHA256_HEX + 1];
    CU_ASSERT_EQUAL(crypto_sha256("", 0, digest), ST_OK);
    crypto_hex(digest, sizeof(digest), hex);
    CU_ASSERT_STRING_EQUAL(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CU_ASSERT_EQUAL(crypto_sha256("abc", 3, digest), ST_OK);
    crypto_hex(digest, sizeof(digest), hex);
    CU_ASSERT_STRING_EQUAL(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct hmac_vector {
    const char *key; /* NULL: key_len times the byte fill */
    unsigned char fill;
    size_t key_len;
    const char *data; /* NULL: data_len times the byte data_fill */
    unsigned char data_fill;
    size_t data_len;
    const char *hex;
};

/* RFC 4231, 4.2 to 4.8 (5 is of a cut digest), and an empty key. */
static const struct hmac_vector hmac_vectors[] = {
    {NULL, 0x0b, 20, "Hi There", 0, 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", 0, 4, "what do ya want for nothing?", 0, 28,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {NULL, 0xaa, 20, NULL, 0xdd, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 0, 25,
     NULL, 0xcd, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {NULL, 0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0, 54,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {NULL, 0xaa, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used "
     "by the HMAC algorithm.",
     0, 152, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    {"", 0, 0, "", 0, 0, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void crypto_hmac_gives_the_digests_of_rfc4231(void)
{
    /* Twice: the second round would show what the first left behind. */
    for (size_t i = 0; i < 2 * sizeof(hmac_vectors) / sizeof(hmac_vectors[0]); i++) {
        const struct hmac_vector *vector = &hmac_vectors[i / 2];
        char key[131], data[50];
        unsigned char digest[CRYPTO_SHA256_LEN];
        char hex[CRYPTO_SHA256_HEX + 1];
        memset(key, vector->fill, sizeof(key));
        memset(data, vector->data_fill, sizeof(data));
        CU_ASSERT_EQUAL(crypto_hmac_sha256(vector->key ? vector->key : key, vector->key_len,
                                           vector->data ? vector->data : data, vector->data_len, digest),
                        ST_OK);
        crypto_hex(digest, sizeof(digest), hex);
        CU_ASSERT_STRING_EQUAL(hex, vector->hex);
    }
}

static void crypto_hmac_does_not_keep_a_key_for_an_empty_one(void)
{
    unsigned char a[CRYPTO_SHA256_LEN], b[CRYPTO_SHA256_LEN];
    CU_ASSERT_EQUAL(crypto_hmac_sha256("secret", 6, "text", 4, a), ST_OK);
    CU_ASSERT_EQUAL(crypto_hmac_sha256(NULL, 0, "text", 4, b), ST_OK);
    CU_ASSERT_FALSE(crypto_equal(a, b, sizeof(a)));
}

struct scrypt_vector {
    const char *password, *salt;
    unsigned log_n, r, p;
    const char *hex;
};

/* RFC 7914, section 12, but for the fourth, which takes a gibibyte. */
static const struct scrypt_vector scrypt_vectors[] = {
    {"", "", 4, 1, 1,
     "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
    {"password", "NaCl", 10, 8, 16,
     "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
     "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
    {"pleaseletmein", "SodiumChloride", 14, 8, 1,
     "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
     "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
};

static void crypto_scrypt_gives_the_keys_of_rfc7914(void)
{
    for (size_t i = 0; i < sizeof(scrypt_vectors) / sizeof(scrypt_vectors[0]); i++) {
        const struct scrypt_vector *vector = &scrypt_vectors[i];
        unsigned char salt[16], key[64];
        char hex[129];
        memcpy(salt, vector->salt, strlen(vector->salt));
        CU_ASSERT_EQUAL(crypto_scrypt(vector->password, strlen(vector->password), salt, strlen(vector->salt),
                                      vector->log_n, vector->r, vector->p, key, sizeof(key)),
                        ST_OK);
        crypto_hex(key, sizeof(key), hex);
        CU_ASSERT_STRING_EQUAL(hex, vector->hex);
    }
}

static void crypto_scrypt_runs_beyond_the_default_memory_limit(void)
{
    unsigned char key[32] = {0};
    static const unsigned char zero[32], salt[16] = "0123456789abcdef";
    CU_ASSERT_EQUAL(crypto_scrypt("password", 8, salt, 16, 15, 8, 3, key, sizeof(key)), ST_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(key, zero, sizeof(key)), 0);
}

static void crypto_scrypt_refuses_impossible_parameters(void)
{
    unsigned char key[32];
    static const unsigned char salt[4];
    static const unsigned bad[][3] = {{0, 8, 1},
                                      {63, 8, 1},
                                      {200, 8, 1},
                                      {14, 0, 1},
                                      {14, 8, 0},
                                      {16, 1, 1},
                                      {62, 8, 1},
                                      {14, 1u << 15, 1u << 15},
                                      {10, 0xFFFFFFFF, 0xFFFFFFFF}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(crypto_scrypt("p", 1, salt, 4, bad[i][0], bad[i][1], bad[i][2], key, sizeof(key)), ST_INVALID);
    CU_ASSERT_EQUAL(crypto_scrypt("p", 1, salt, 4, 4, 1, 1, key, 0), ST_INVALID);
}

static void crypto_base64url_is_that_of_rfc4648(void)
{
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t n = strlen(pairs[i][0]);
        char text[16], back[16];
        crypto_base64url(pairs[i][0], n, text);
        CU_ASSERT_STRING_EQUAL(text, pairs[i][1]);
        CU_ASSERT_EQUAL(strlen(text), CRYPTO_BASE64_LEN(n));
        CU_ASSERT_EQUAL(crypto_base64url_decode(text, strlen(text), back, sizeof(back)), (long)n);
        CU_ASSERT_EQUAL(memcmp(back, pairs[i][0], n), 0);
    }
}

static void crypto_base64url_goes_there_and_back_for_every_length(void)
{
    unsigned char bytes[100], back[100];
    char text[CRYPTO_BASE64_LEN(sizeof(bytes)) + 1];
    CU_ASSERT_EQUAL(crypto_random(bytes, sizeof(bytes)), ST_OK);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        crypto_base64url(bytes, n, text);
        CU_ASSERT_EQUAL(crypto_base64url_decode(text, strlen(text), back, n), (long)n);
        CU_ASSERT_EQUAL(memcmp(bytes, back, n), 0);
        if (n)
            CU_ASSERT_EQUAL(crypto_base64url_decode(text, strlen(text), back, n - 1), -1);
    }
}

static void crypto_base64url_decode_is_strict(void)
{
    static const char *const bad[] = {"A",     "Zg==", "Zm8=", "Zh",    "Zm9",        "Zm9v\n",
                                      " Zm9v", "Zm+v", "Zm/v", "Zm9vY", "Z\xC3\xA9g", "Zm9v.Zg"};
    char back[16];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (crypto_base64url_decode(bad[i], strlen(bad[i]), back, sizeof(back)) != -1)
            CU_FAIL(bad[i]);
    CU_ASSERT_EQUAL(crypto_base64url_decode("Zg\0v", 4, back, sizeof(back)), -1);
}

static void crypto_equal_sees_every_byte(void)
{
    unsigned char a[32] = {0}, b[32] = {0};
    CU_ASSERT(crypto_equal(a, b, sizeof(a)));
    CU_ASSERT(crypto_equal(a, b, 0));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 0x80;
        CU_ASSERT_FALSE(crypto_equal(a, b, sizeof(a)));
        b[i] = 0;
    }
}

static void crypto_random_does_not_repeat(void)
{
    unsigned char a[32], b[32];
    CU_ASSERT_EQUAL(crypto_random(a, sizeof(a)), ST_OK);
    CU_ASSERT_EQUAL(crypto_random(b, sizeof(b)), ST_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
}

static void crypto_wipe_leaves_zeros(void)
{
    unsigned char secret[32], zero[32] = {0};
    memset(secret, 'x', sizeof(secret));
    crypto_wipe(secret, sizeof(secret));
    CU_ASSERT_EQUAL(memcmp(secret, zero, sizeof(secret)), 0);
}

void suite_crypto(void)
{
    CU_pSuite suite = CU_add_suite("crypto", NULL, NULL);
    UNIT_TEST(suite, crypto_sha256_gives_the_known_digests);
    UNIT_TEST(suite, crypto_hmac_gives_the_digests_of_rfc4231);
    UNIT_TEST(suite, crypto_hmac_does_not_keep_a_key_for_an_empty_one);
    UNIT_TEST(suite, crypto_scrypt_gives_the_keys_of_rfc7914);
    UNIT_TEST(suite, crypto_scrypt_runs_beyond_the_default_memory_limit);
    UNIT_TEST(suite, crypto_scrypt_refuses_impossible_parameters);
    UNIT_TEST(suite, crypto_base64url_is_that_of_rfc4648);
    UNIT_TEST(suite, crypto_base64url_goes_there_and_back_for_every_length);
    UNIT_TEST(suite, crypto_base64url_decode_is_strict);
    UNIT_TEST(suite, crypto_equal_sees_every_byte);
    UNIT_TEST(suite, crypto_random_does_not_repeat);
    UNIT_TEST(suite, crypto_wipe_leaves_zeros);
}
