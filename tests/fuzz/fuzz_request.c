/*
 * Any bytes as a request: "REQUEST_URI\nCOOKIE\nbody". No crash, and every decoded text is valid UTF-8 without control
 * characters.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "http/reply.h"
#include "http/request.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;

/* The bytes after the cookie, a few at a time. */
struct rest {
    const char *bytes;
    size_t n;
};

static long rest_read(void *source, char *bytes, size_t n)
{
    struct rest *rest = source;
    if (n > 7)
        n = 7;
    if (n > rest->n)
        n = rest->n;
    memcpy(bytes, rest->bytes, n);
    rest->bytes += n;
    rest->n -= n;
    return (long)n;
}

static void check_text(const char *text)
{
    size_t n = strlen(text);
    if (!utf8_valid(text, n))
        abort();
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            abort();
    }
}

/* NAME=line; the line ends at '\n' or at the end, and a NUL cuts it as libfcgi would. */
static const char *take_line(const char *name, struct rest *rest)
{
    const char *end = memchr(rest->bytes, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->bytes) : rest->n;
    char *line = arena_alloc(arena, strlen(name) + n + 1);
    if (!line)
        abort();
    memcpy(line, name, strlen(name));
    memcpy(line + strlen(name), rest->bytes, n);
    n += end != NULL;
    rest->bytes += n;
    rest->n -= n;
    return line;
}

static void check_request(const struct request *request)
{
    check_text(request->id);
    check_text(request->path);
    for (unsigned i = 0; i < request->segments; i++) {
        check_text(request->segment[i]);
        if (!*request->segment[i] || !strcmp(request->segment[i], ".") || !strcmp(request->segment[i], ".."))
            abort();
    }
    for (unsigned i = 0; i < request->queries; i++) {
        check_text(request->query[i].name);
        check_text(request->query[i].value);
    }
    const char *cookie = request_cookie(request, "a");
    if (cookie)
        check_text(cookie);
    const char *origin = request_origin(request);
    if (origin)
        check_text(origin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena && (!pattern_init() || !(arena = arena_new(1 << 20))))
        abort();
    arena_reset(arena);
    struct rest rest = {(const char *)data, size};
    const char *uri = take_line("REQUEST_URI=", &rest);
    const char *cookie = take_line("HTTP_COOKIE=", &rest);
    const char *host = arena_printf(arena, "HTTP_HOST=%s", cookie + strlen("HTTP_COOKIE="));
    const char *length = arena_printf(arena, "CONTENT_LENGTH=%zu", rest.n);
    const char *params[] = {"REQUEST_METHOD=POST", uri, cookie, host, length, NULL};

    struct request request;
    struct fault fault = {0};
    struct reply reply;
    size_t n = rest.n;
    enum status status = request_init(&request, arena, params, rest_read, &rest, &fault);
    check_request(&request);
    if (status == ST_OK) {
        status = request_read_body(&request, BODY_MAX, &fault);
        if ((status == ST_OK) != (n <= BODY_MAX) || (status == ST_OK && request.body_len != n))
            abort();
    }
    if (status != ST_OK) {
        reply_init(&reply, arena);
        problem_reply(&reply, &request, status, &fault);
        if (!reply_ok(&reply) || !utf8_valid(reply.body.data, reply.body.len))
            abort();
    }
    return 0;
}
