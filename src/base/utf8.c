/* UTF-8 as RFC 3629 has it. What must stay true: utf8_sequence alone knows the table of valid sequences. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* Whether the byte at index i is there and continues a sequence. */
static bool continues(const unsigned char *s, size_t n, size_t i)
{
    return i < n && (s[i] & 0xC0) == 0x80;
}

size_t utf8_sequence(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    /* 80..BF continue, C0 and C1 could only be overlong, above F4 is above U+10FFFF. */
    if (s[0] < 0xC2 || s[0] > 0xF4 || !continues(s, n, 1))
        return 0;
    if (s[0] < 0xE0)
        return 2;
    if (!continues(s, n, 2))
        return 0;
    if (s[0] < 0xF0) {
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) /* overlong; surrogates */
            return 0;
        return 3;
    }
    if (!continues(s, n, 3))
        return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) /* overlong; above U+10FFFF */
        return 0;
    return 4;
}

bool utf8_valid(const char *text, size_t n)
{
    size_t at = 0;
    while (at < n) {
        /* Eight bytes of ASCII at once where there are so many. */
        uint64_t word;
        if (n - at >= sizeof(word)) {
            memcpy(&word, text + at, sizeof(word));
            if (!(word & 0x8080808080808080)) {
                at += sizeof(word);
                continue;
            }
        }
        size_t length = utf8_sequence(text + at, n - at);
        if (!length)
            return false;
        at += length;
    }
    return true;
}

size_t utf8_length(const char *text, size_t n)
{
    size_t characters = 0;
    for (size_t i = 0; i < n; i++)
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
    return characters;
}

size_t utf8_prefix(const char *text, size_t n, size_t characters)
{
    size_t at = 0;
    for (; at < n; at++) {
        if (((unsigned char)text[at] & 0xC0) == 0x80)
            continue;
        if (characters-- == 0)
            break;
    }
    return at;
}
