/*
 * Writing JSON straight into a buffer.
 *
 * What must stay true: `comma` says whether a value stands before in the open container, and nothing reaches the buffer
 * unescaped but what is known to be plain. Only what RFC 8259 demands is escaped: quote, backslash, U+0000 to U+001F.
 */
#include "base/json_writer.h"

#include <string.h>

#include "base/buf.h"

#define ONES  0x0101010101010101u
#define HIGHS 0x8080808080808080u

#define ESCAPE_MAX 6 /* a backslash and u001f */

void json_writer_init(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){.out = out};
}

/* A value, known to be plain text, with the comma it may need before it. */
static void write_plain(struct json_writer *writer, const char *text, size_t n)
{
    if (writer->comma)
        buf_add_char(writer->out, ',');
    buf_add(writer->out, text, n);
    writer->comma = true;
}

static void open_container(struct json_writer *writer, const char *bracket)
{
    write_plain(writer, bracket, 1);
    writer->comma = false;
}

static void close_container(struct json_writer *writer, char bracket)
{
    buf_add_char(writer->out, bracket);
    writer->comma = true;
}

void json_begin_object(struct json_writer *writer)
{
    open_container(writer, "{");
}

void json_end_object(struct json_writer *writer)
{
    close_container(writer, '}');
}

void json_begin_array(struct json_writer *writer)
{
    open_container(writer, "[");
}

void json_end_array(struct json_writer *writer)
{
    close_container(writer, ']');
}

void json_write_key(struct json_writer *writer, const char *key)
{
    size_t n = strlen(key);
    char *at = buf_reserve(writer->out, n + 4);
    if (!at)
        return;
    char *start = at;
    if (writer->comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, key, n);
    at += n;
    *at++ = '"';
    *at++ = ':';
    writer->out->len += (size_t)(at - start);
    writer->comma = false;
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Whether one of eight bytes needs an escape: a byte's top bit tells, unless it is set in the text itself. With bit 1
 * turned the quote lies right above the control characters, so that one comparison finds both. */
static bool any_needs_escape(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    uint64_t low = (word ^ ONES * 0x02) - ONES * 0x21, backslash = (word ^ ONES * '\\') - ONES;
    return (low | backslash) & ~word & HIGHS;
}

/* Bytes from the start of text that can be copied as they are. */
static size_t plain_run(const char *text, size_t n)
{
    size_t at = 0;
    while (n - at >= sizeof(uint64_t) && !any_needs_escape(text + at))
        at += sizeof(uint64_t);
    /* The end, together with bytes that were looked at already. */
    if (at && n - at < sizeof(uint64_t) && !any_needs_escape(text + n - sizeof(uint64_t)))
        return n;
    while (at < n && !needs_escape((unsigned char)text[at]))
        at++;
    return at;
}

/* Writes the escape of c and answers where it ends. */
static char *put_escape(char *at, unsigned char c)
{
    static const char short_names[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char digits[] = "0123456789abcdef";
    *at++ = '\\';
    if (c < 0x20 && short_names[c])
        *at++ = short_names[c];
    else if (c < 0x20) {
        memcpy(at, "u00", 3);
        at[3] = digits[c >> 4];
        at[4] = digits[c & 15];
        at += ESCAPE_MAX - 1;
    } else
        *at++ = (char)c;
    return at;
}

/* The rest of a string from a character on that needs an escape, and the quote behind it. */
static void write_escaped(struct buf *out, const char *text, size_t n)
{
    while (n) {
        /* Room for the escape, whatever is plain behind it, and the quote. */
        char *start = buf_reserve(out, ESCAPE_MAX + n);
        if (!start)
            return;
        char *at = put_escape(start, (unsigned char)*text++);
        size_t run = plain_run(text, --n);
        memcpy(at, text, run);
        at += run;
        text += run;
        n -= run;
        if (!n)
            *at++ = '"';
        out->len += (size_t)(at - start);
    }
}

size_t json_escaped_length(const char *text, size_t n)
{
    size_t length = n;
    for (size_t at = plain_run(text, n); at < n; at += plain_run(text + at, n - at)) {
        unsigned char c = (unsigned char)text[at++];
        length += c >= 0x20 || strchr("\b\t\n\f\r", c) ? 1 : ESCAPE_MAX - 1;
    }
    return length;
}

void json_write_string(struct json_writer *writer, const char *text, size_t n)
{
    /* Most strings need no escape: then the comma, the quotes and all of the text are written in one. */
    char *start = buf_reserve(writer->out, n + 3);
    if (!start)
        return;
    char *at = start;
    size_t run = plain_run(text, n);
    if (writer->comma)
        *at++ = ',';
    *at++ = '"';
    memcpy(at, text, run);
    at += run;
    if (run == n)
        *at++ = '"';
    writer->out->len += (size_t)(at - start);
    writer->comma = true;
    write_escaped(writer->out, text + run, n - run);
}

void json_write_text(struct json_writer *writer, const char *text)
{
    if (text)
        json_write_string(writer, text, strlen(text));
    else
        json_write_null(writer);
}

void json_write_int(struct json_writer *writer, int64_t number)
{
    char text[20];
    char *at = text + sizeof(text);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    write_plain(writer, at, (size_t)(text + sizeof(text) - at));
}

void json_write_bool(struct json_writer *writer, bool value)
{
    if (value)
        write_plain(writer, "true", 4);
    else
        write_plain(writer, "false", 5);
}

void json_write_null(struct json_writer *writer)
{
    write_plain(writer, "null", 4);
}

void json_write_raw(struct json_writer *writer, const char *json)
{
    if (json)
        write_plain(writer, json, strlen(json));
    else
        json_write_null(writer);
}

void json_put_text(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    json_write_text(writer, text);
}

void json_put_int(struct json_writer *writer, const char *key, int64_t number)
{
    json_write_key(writer, key);
    json_write_int(writer, number);
}

void json_put_bool(struct json_writer *writer, const char *key, bool value)
{
    json_write_key(writer, key);
    json_write_bool(writer, value);
}

void json_put_raw(struct json_writer *writer, const char *key, const char *json)
{
    json_write_key(writer, key);
    json_write_raw(writer, json);
}
