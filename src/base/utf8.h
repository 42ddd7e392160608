/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef PARLEY_BASE_UTF8_H
#define PARLEY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the n bytes are valid UTF-8. NUL bytes are valid here; callers that pass C strings have none. */
bool utf8_valid(const char *text, size_t n);

/* Length of the valid sequence at text (1 to 4), 0 when the bytes there are invalid or cut off. n is at least 1. */
size_t utf8_sequence(const char *text, size_t n);

/* Number of characters (code points) in n valid bytes. */
size_t utf8_length(const char *text, size_t n);

/* Bytes of the longest prefix of at most `characters` code points. */
size_t utf8_prefix(const char *text, size_t n, size_t characters);

#endif
