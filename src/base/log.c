/*
 * The log: one line an event, one write(2) a line.
 *
 * What must stay true: whatever a value holds, the line is one line of valid UTF-8 without control characters, at
 * most LINE_MAX_BYTES long, and a field is in it whole or not at all.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 512

static const char cut_mark[] = " cut=true";

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warn", [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug"};

static int log_fd = STDERR_FILENO;
static enum log_level log_level = LOG_LEVEL_INFO;
static const char *log_request_id;

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

void log_open(int fd, enum log_level level)
{
    log_fd = fd;
    log_level = level;
}

int log_level_parse(const char *name)
{
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++)
        if (!strcmp(name, level_names[level]))
            return level;
    return -1;
}

void log_request(const char *request_id)
{
    log_request_id = request_id;
}

/* Adds n bytes if, with room for the end of the line, they fit. */
static bool line_add(struct line *line, const char *bytes, size_t n)
{
    if (n > sizeof(line->text) - sizeof(cut_mark) - line->len)
        return false;
    memcpy(line->text + line->len, bytes, n);
    line->len += n;
    return true;
}

/* One character of a value as it may stand between quotes; *used: the bytes of text it was made from. Answers its
 * length. */
static size_t escape_character(const char *text, size_t n, char out[8], size_t *used)
{
    unsigned char c = (unsigned char)*text;
    size_t sequence = utf8_sequence(text, n);
    *used = 1;
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    /* U+0080 to U+009F are control characters to a terminal as well. */
    bool control = c < 0x20 || c == 0x7F || (sequence == 2 && c == 0xC2 && (unsigned char)text[1] < 0xA0);
    if (!sequence || control)
        return (size_t)snprintf(out, 8, "\\x%02x", c);
    memcpy(out, text, sequence);
    *used = sequence;
    return sequence;
}

/* The value escaped into out, cut at a whole character; *plain: whether it can stand without quotes. */
static size_t escape_value(const char *value, char out[VALUE_MAX_BYTES], bool *plain)
{
    size_t n = strlen(value), at = 0, len = 0, used;
    *plain = n > 0;
    while (at < n) {
        char one[8];
        size_t one_len = escape_character(value + at, n - at, one, &used);
        if (len + one_len > VALUE_MAX_BYTES)
            break;
        if (one[0] == '\\' || one[0] == ' ' || one[0] == '=')
            *plain = false;
        memcpy(out + len, one, one_len);
        len += one_len;
        at += used;
    }
    return len;
}

/* Whether the value, of *n bytes, can stand as it is: most can. */
static bool is_plain(const char *value, size_t *n)
{
    const char *c = value;
    while (*c > ' ' && *c < 0x7F && *c != '"' && *c != '\\' && *c != '=')
        c++;
    *n = (size_t)(c - value);
    return !*c && *n > 0 && *n <= VALUE_MAX_BYTES;
}

/* " key=value"; the line stays as it was when that does not fit. */
static bool line_put_text(struct line *line, const char *key, const char *text)
{
    char escaped[VALUE_MAX_BYTES];
    const char *value = text;
    size_t n, before = line->len;
    bool plain = is_plain(text, &n);
    if (!plain) {
        n = escape_value(text, escaped, &plain);
        value = escaped;
    }
    const char *quote = plain ? "" : "\"";
    if (line_add(line, " ", before > 0) && line_add(line, key, strlen(key)) && line_add(line, "=", 1) &&
        line_add(line, quote, strlen(quote)) && line_add(line, value, n) && line_add(line, quote, strlen(quote)))
        return true;
    line->len = before;
    return false;
}

static bool line_put_int(struct line *line, const char *key, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return line_put_text(line, key, text);
}

/* The newline, and the line to the descriptor. A log that cannot be written has nowhere to complain. */
static void line_write(struct line *line)
{
    line->text[line->len++] = '\n';
    ssize_t written;
    do
        written = write(log_fd, line->text, line->len);
    while (written < 0 && errno == EINTR);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields, unsigned count)
{
    if (level > log_level)
        return;
    int saved_errno = errno;
    char now[CLOCK_RFC3339_LEN + 1];
    clock_rfc3339(clock_real_ms(), now);
    struct line line;
    line.len = 0;
    bool fits = line_put_text(&line, "ts", now) && line_put_text(&line, "level", level_names[level]) &&
                line_put_int(&line, "pid", getpid()) &&
                (!log_request_id || line_put_text(&line, "request", log_request_id)) &&
                line_put_text(&line, "event", event);
    for (unsigned i = 0; fits && i < count; i++)
        fits = fields[i].text ? line_put_text(&line, fields[i].key, fields[i].text)
                              : line_put_int(&line, fields[i].key, fields[i].number);
    if (!fits) {
        memcpy(line.text + line.len, cut_mark, sizeof(cut_mark) - 1);
        line.len += sizeof(cut_mark) - 1;
    }
    line_write(&line);
    errno = saved_errno;
}
