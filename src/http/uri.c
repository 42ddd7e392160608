/*
 * The one decoder of addresses: REQUEST_URI into path segments and query parameters.
 *
 * What must stay true: the split comes before the decoding, so that an encoded '/', '&' or '=' never splits; one
 * pass, so that %252e stays "%2e"; a text that is refused is never half used.
 */
#include "http/uri.h"

#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "http/request.h"

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes the n bytes at text in place and puts a NUL behind them; text[n] must be writable. False: not text. */
static bool decode(char *text, size_t n, bool plus_is_space)
{
    char *to = text;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (is_control(c))
            return false;
        *to++ = c;
    }
    *to = '\0';
    return utf8_valid(text, (size_t)(to - text));
}

/* The path as the log may print it: what is not visible ASCII becomes '?'. */
static const char *printable_path(struct arena *arena, const char *uri)
{
    char *path = arena_strndup(arena, uri, strnlen(uri, REQUEST_URI_MAX));
    if (!path)
        return "?";
    path[strcspn(path, "?")] = '\0';
    for (char *c = path; *c; c++) {
        if (*c <= 0x20 || *c >= 0x7f)
            *c = '?';
    }
    return path;
}

/* What no client has to send raw, and what the front server may understand differently: refused at once. */
static bool has_raw_junk(const char *uri)
{
    for (; *uri; uri++) {
        if (is_control(*uri) || *uri == ' ' || *uri == '#')
            return true;
    }
    return false;
}

static enum status read_segment(struct request *request, char *text, size_t n, struct fault *fault)
{
    if (!n)
        return fault_set(fault, ST_NOT_FOUND, NULL, "The path has an empty segment.");
    if (request->segments == REQUEST_SEGMENTS_MAX)
        return fault_set(fault, ST_NOT_FOUND, NULL, "The path has too many segments.");
    if (!decode(text, n, false))
        return fault_set(fault, ST_INVALID, NULL, "The path is not valid percent-encoded UTF-8 text.");
    if (!strcmp(text, ".") || !strcmp(text, ".."))
        return fault_set(fault, ST_INVALID, NULL, "The path has a dot segment.");
    request->segment[request->segments++] = text;
    return ST_OK;
}

static enum status read_path(struct request *request, char *path, struct fault *fault)
{
    /* "/" alone has no segments. Else a slash at the end makes an empty one, which is not found: the web server's rules
     * for single paths must not be passed by a slash more. */
    size_t n = strlen(path);
    const char *end = path + n;
    size_t len;
    for (char *text = path + 1; n > 1 && text <= end; text += len + 1) {
        len = strcspn(text, "/");
        enum status status = read_segment(request, text, len, fault);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static enum status add_query(struct request *request, const char *name, const char *value, struct fault *fault)
{
    const char *before = request_query(request, name);
    if (before) {
        if (!strcmp(before, value))
            return ST_OK;
        return fault_field(fault, name, "is given twice with different values");
    }
    if (request->queries == REQUEST_QUERY_MAX)
        return fault_set(fault, ST_INVALID, NULL, "There are too many query parameters.");
    request->query[request->queries++] = (struct request_pair){name, value};
    return ST_OK;
}

static enum status read_pair(struct request *request, char *pair, size_t n, struct fault *fault)
{
    char *equals = memchr(pair, '=', n);
    size_t name_len = equals ? (size_t)(equals - pair) : n;
    char *value = pair + n;
    size_t value_len = 0;
    if (equals) {
        value = equals + 1;
        value_len = n - name_len - 1;
    }
    if (!decode(pair, name_len, true))
        return fault_field(fault, "query", "has a parameter name that is not valid UTF-8 text");
    if (!decode(value, value_len, true))
        return fault_field(fault, pair, "is not valid UTF-8 text without control characters");
    return add_query(request, pair, value, fault);
}

static enum status read_queries(struct request *request, char *query, struct fault *fault)
{
    enum status status = ST_OK;
    while (status == ST_OK && *query) {
        size_t n = strcspn(query, "&");
        char *next = query + n + (query[n] == '&');
        if (n)
            status = read_pair(request, query, n, fault);
        query = next;
    }
    return status;
}

enum status uri_read(struct request *request, const char *uri, struct fault *fault)
{
    request->path = printable_path(request->arena, uri);

    size_t n = strnlen(uri, REQUEST_URI_MAX + 1);
    if (n > REQUEST_URI_MAX)
        return fault_set(fault, ST_TOO_LARGE, "uri_too_long", "The address is longer than 4096 bytes.");
    if (*uri != '/')
        return fault_set(fault, ST_INVALID, NULL, "The address does not begin with a slash.");
    if (has_raw_junk(uri))
        return fault_set(fault, ST_INVALID, NULL, "The address has characters that must be percent-encoded.");

    /* Decoded text is never longer than its code: everything happens in one copy. */
    char *copy = arena_strndup(request->arena, uri, n);
    if (!copy)
        return fault_set(fault, ST_UNAVAILABLE, NULL, NULL);
    char *query = copy + strcspn(copy, "?");
    if (*query)
        *query++ = '\0';

    enum status status = read_path(request, copy, fault);
    if (status == ST_OK)
        status = read_queries(request, query, fault);
    if (status != ST_OK)
        request->segments = request->queries = 0;
    return status;
}
