/*
 * The log: one line an event, logfmt (key=value, quoted where needed), written by one write(2) so that lines of several
 * processes do not mix. Never give it a token, a secret, an e-mail or a message's text.
 */
#ifndef PARLEY_BASE_LOG_H
#define PARLEY_BASE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines go to file descriptor fd (2 until told otherwise); those above level are dropped. */
void log_open(int fd, enum log_level level);

/* Reads "error", "warn", "info" or "debug"; -1 for anything else. */
int log_level_parse(const char *name);

/* The request that the following lines belong to; NULL: none. The text must stay until it is replaced. */
void log_request(const char *request_id);

/* One line: ts, level, pid, request (if any), event, then the fields in the given order. Keys are plain words.
 *   log_event(LOG_LEVEL_INFO, "listening", log_str("path", path), log_int("workers", 4));
 * A value is escaped, and cut at 512 bytes; a line ends before the field that would make it longer than 4 KiB, and says
 * `cut=true`. log_event needs one field at least: without any, log_fields(level, event, NULL, 0). errno stays as it
 * was. */
struct log_field {
    const char *key;
    const char *text; /* NULL: number is meant */
    int64_t number;
};
void log_fields(enum log_level level, const char *event, const struct log_field *fields, unsigned count);

/* A field of text, "-" for NULL, and one of a number. */
static inline struct log_field log_str(const char *key, const char *text)
{
    return (struct log_field){.key = key, .text = text ? text : "-"};
}

static inline struct log_field log_int(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .number = number};
}

#define log_event(level, event, ...)                                                                                   \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__},                                              \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
