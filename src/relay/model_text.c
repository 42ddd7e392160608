/*
 * What a model server sends as JSON, made fit for the validator.
 *
 * What must stay true: clean text is given back as it is, without a copy; what is replaced was invalid, and nothing
 * else is touched.
 */
#include "relay/model_text.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"

#define ESCAPE_LEN 6 /* \uXXXX */

struct cleaning {
    const char *at, *end;
    const char *string; /* where the string begins in which `at` stands; NULL: outside of one */
    struct buf out;
    unsigned highs, lows; /* strings that end or begin with half a pair */
    struct model_text *clean;
};

/* Whether there is nothing to do: valid UTF-8 without \u escapes that need a look. */
static bool is_clean(const char *bytes, size_t n)
{
    const char *at = bytes, *end = bytes + n;
    while ((at = memchr(at, '\\', (size_t)(end - at))) && at + 1 < end) {
        if (at[1] == 'u')
            return false;
        at += 2;
    }
    return utf8_valid(bytes, n);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The unit of the \uXXXX at `at`, or -1. */
static int unit_at(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < ESCAPE_LEN || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE_LEN; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

static void keep(struct cleaning *cleaning, size_t n)
{
    buf_add(&cleaning->out, cleaning->at, n);
    cleaning->at += n;
}

static void replace(struct cleaning *cleaning, size_t n)
{
    buf_add_text(&cleaning->out, MODEL_TEXT_REPLACEMENT);
    cleaning->at += n;
}

/* Half a pair: replaced, and remembered where its other half may stand in another piece. */
static void replace_half(struct cleaning *cleaning, int unit)
{
    const char *behind = cleaning->at + ESCAPE_LEN;
    if (is_high(unit) && behind < cleaning->end && *behind == '"') {
        cleaning->highs++;
        cleaning->clean->high = (unsigned)unit;
    }
    if (is_low(unit) && cleaning->at == cleaning->string) {
        cleaning->lows++;
        cleaning->clean->low = (unsigned)unit;
    }
    replace(cleaning, ESCAPE_LEN);
}

static void take_escape(struct cleaning *cleaning)
{
    int unit = unit_at(cleaning->at, cleaning->end);
    if (unit == 0)
        replace(cleaning, ESCAPE_LEN);
    else if (is_high(unit) && is_low(unit_at(cleaning->at + ESCAPE_LEN, cleaning->end)))
        keep(cleaning, (size_t)2 * ESCAPE_LEN);
    else if (is_high(unit) || is_low(unit))
        replace_half(cleaning, unit);
    else /* with what is escaped, which may be a quote or a backslash */
        keep(cleaning, cleaning->end - cleaning->at < 2 ? 1 : 2);
}

/* A byte that starts no character, with what looks like the rest of one behind it. */
static void take_broken(struct cleaning *cleaning)
{
    size_t n = 1;
    while (n < 4 && cleaning->at + n < cleaning->end && ((unsigned char)cleaning->at[n] & 0xC0) == 0x80)
        n++;
    replace(cleaning, n);
}

static void take_character(struct cleaning *cleaning)
{
    size_t n = utf8_sequence(cleaning->at, (size_t)(cleaning->end - cleaning->at));
    if (!n) {
        take_broken(cleaning);
        return;
    }
    if (*cleaning->at == '"')
        cleaning->string = cleaning->string ? NULL : cleaning->at + 1;
    keep(cleaning, n);
}

enum status model_text_clean(struct arena *arena, const char *bytes, size_t n, struct model_text *clean)
{
    *clean = (struct model_text){.text = bytes, .n = n};
    if (is_clean(bytes, n))
        return ST_OK;
    struct cleaning cleaning = {.at = bytes, .end = bytes + n, .clean = clean};
    buf_init(&cleaning.out, arena);
    buf_reserve(&cleaning.out, n);
    while (cleaning.at < cleaning.end) {
        if (*cleaning.at == '\\' && cleaning.string)
            take_escape(&cleaning);
        else
            take_character(&cleaning);
    }
    if (cleaning.highs != 1)
        clean->high = 0;
    if (cleaning.lows != 1)
        clean->low = 0;
    clean->text = cleaning.out.data;
    clean->n = cleaning.out.len;
    return cleaning.out.failed ? ST_UNAVAILABLE : ST_OK;
}

void model_text_join(unsigned high, unsigned low, char text[4])
{
    unsigned long point = 0x10000 + ((high & 0x3FFUL) << 10 | (low & 0x3FFUL));
    text[0] = (char)(0xF0 | point >> 18);
    text[1] = (char)(0x80 | (point >> 12 & 0x3F));
    text[2] = (char)(0x80 | (point >> 6 & 0x3F));
    text[3] = (char)(0x80 | (point & 0x3F));
}
