/*
 * Writing JSON: straight into a buffer, commas and escapes done here. A failure shows as buf->failed.
 *
 * Text given to the writer must be valid UTF-8; what PostgreSQL and json_parse give is.
 */
#ifndef PARLEY_BASE_JSON_WRITER_H
#define PARLEY_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct json_writer {
    struct buf *out;
    bool comma; /* whether the next value needs a comma before it */
};

void json_writer_init(struct json_writer *writer, struct buf *out);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);

/* A key; the next call writes its value. Keys are plain ASCII words of the program and are not escaped. */
void json_write_key(struct json_writer *writer, const char *key);

/* A value. A NULL text is null. */
void json_write_text(struct json_writer *writer, const char *text);
void json_write_string(struct json_writer *writer, const char *text, size_t n);
void json_write_int(struct json_writer *writer, int64_t number);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);

/* How many bytes text takes as a JSON string, without the quotes. */
size_t json_escaped_length(const char *text, size_t n);

/* JSON text that is known to be valid (a jsonb column); NULL is null. */
void json_write_raw(struct json_writer *writer, const char *json);

/* A key and its value in one. */
void json_put_text(struct json_writer *writer, const char *key, const char *text);
void json_put_int(struct json_writer *writer, const char *key, int64_t number);
void json_put_bool(struct json_writer *writer, const char *key, bool value);
void json_put_raw(struct json_writer *writer, const char *key, const char *json);

#endif
