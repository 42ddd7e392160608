/*
 * One request as the program sees it.
 *
 * What must stay true: everything that is kept is either a parameter as it came or text that was checked; a header over
 * its bound counts as absent, never as cut; nothing here trusts a header to say who the caller is.
 */
#include "http/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "base/uuid.h"
#include "http/route.h"
#include "http/uri.h"

#define HEADER_NAME_MAX 64
#define HOST_MAX        255

static enum method method_parse(const char *name)
{
    for (enum method method = METHOD_GET; name && method < METHOD_OTHER; method++) {
        if (!strcmp(name, method_name(method)))
            return method;
    }
    return METHOD_OTHER;
}

/* The caller's id when it has the right shape, else a new one; never NULL. */
static const char *choose_id(const struct request *request)
{
    const char *given = request_header(request, "X-Request-Id");
    struct uuid fresh;
    const char *id = NULL;
    if (given && pattern_matches(PATTERN_REQUEST_ID, given))
        id = arena_strdup(request->arena, given);
    else if (uuid_v7(&fresh))
        id = arena_strdup(request->arena, fresh.text);
    return id ? id : "unknown";
}

/* CONTENT_LENGTH: decimal digits and nothing else. Absent (or empty, as nginx sends it with GET) is 0. */
static enum status read_content_length(struct request *request, struct fault *fault)
{
    const char *text = request_param(request, "CONTENT_LENGTH");
    if (!text)
        return ST_OK;
    size_t digits = strspn(text, "0123456789");
    if (text[digits] || digits > 18)
        return fault_set(fault, ST_INVALID, NULL, "Content-Length is not a number.");
    for (; *text; text++)
        request->content_length = request->content_length * 10 + (size_t)(*text - '0');
    return ST_OK;
}

enum status request_init(struct request *request, struct arena *arena, const char *const *params, request_read *read,
                         void *source, struct fault *fault)
{
    *request = (struct request){.arena = arena, .params = params, .read = read, .source = source, .path = "?"};
    request->id = choose_id(request);
    request->method = method_parse(request_param(request, "REQUEST_METHOD"));
    request->method_name = method_name(request->method);

    const char *uri = request_param(request, "REQUEST_URI");
    if (!uri)
        return fault_set(fault, ST_INVALID, NULL, "The request has no address.");
    enum status status = uri_read(request, uri, fault);
    if (status != ST_OK)
        return status;
    return read_content_length(request, fault);
}

const char *request_param(const struct request *request, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *param = request->params; *param; param++) {
        if (!strncmp(*param, name, n) && (*param)[n] == '=')
            return (*param)[n + 1] ? *param + n + 1 : NULL;
    }
    return NULL;
}

const char *request_header(const struct request *request, const char *name)
{
    /* RFC 3875, 4.1.18: upper case, '-' becomes '_', HTTP_ in front but for the two of the body. */
    char param[sizeof("HTTP_") + HEADER_NAME_MAX] = "HTTP_";
    size_t n = strlen(name);
    if (n > HEADER_NAME_MAX || !strcasecmp(name, "Proxy"))
        return NULL;
    char *to = param + strlen("HTTP_");
    for (size_t i = 0; i <= n; i++)
        to[i] = (char)(name[i] == '-' ? '_' : toupper((unsigned char)name[i]));
    bool of_body = !strcmp(to, "CONTENT_TYPE") || !strcmp(to, "CONTENT_LENGTH");

    const char *value = request_param(request, of_body ? to : param);
    return value && strnlen(value, REQUEST_HEADER_MAX + 1) <= REQUEST_HEADER_MAX ? value : NULL;
}

const char *request_query(const struct request *request, const char *name)
{
    for (unsigned i = 0; i < request->queries; i++) {
        if (!strcmp(request->query[i].name, name))
            return request->query[i].value;
    }
    return NULL;
}

/* A cookie's value without blanks and quotes around it; NULL when it has other characters than RFC 6265 allows. */
static const char *cookie_value(struct arena *arena, const char *value, size_t n)
{
    while (n && (*value == ' ' || *value == '\t'))
        value++, n--;
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"')
        value++, n -= 2;
    for (size_t i = 0; i < n; i++) {
        if (value[i] <= 0x20 || value[i] >= 0x7f || strchr("\",;\\", value[i]))
            return NULL;
    }
    return arena_strndup(arena, value, n);
}

const char *request_cookie(const struct request *request, const char *name)
{
    const char *at = request_header(request, "Cookie");
    size_t name_len = strlen(name);
    for (unsigned i = 0; at && *at && i < REQUEST_COOKIES_MAX; i++) {
        at += strspn(at, " \t");
        size_t n = strcspn(at, ";");
        if (n > name_len && !strncmp(at, name, name_len) && at[name_len] == '=')
            return cookie_value(request->arena, at + name_len + 1, n - name_len - 1);
        at += n + (at[n] == ';');
    }
    return NULL;
}

/* Reads until n bytes are there, the source ends or fails; answers how many came. */
static size_t read_fully(struct request *request, char *bytes, size_t n)
{
    size_t total = 0;
    while (total < n) {
        long got = request->read(request->source, bytes + total, n - total);
        if (got <= 0)
            break;
        total += (size_t)got;
    }
    return total;
}

enum status request_read_body(struct request *request, size_t max, struct fault *fault)
{
    if (request->body_read)
        return ST_OK;
    if (request->content_length > max)
        return fault_set(fault, ST_TOO_LARGE, NULL, "The body is larger than this address takes.");
    char *body = arena_alloc(request->arena, request->content_length + 1);
    if (!body)
        return fault_set(fault, ST_UNAVAILABLE, NULL, NULL);

    /* The byte after the last proves that the source ends where Content-Length said, and ends well. */
    char beyond;
    if (read_fully(request, body, request->content_length) != request->content_length ||
        request->read(request->source, &beyond, 1) != 0)
        return fault_set(fault, ST_INVALID, "body_incomplete", "The body is not as long as Content-Length says.");
    request->body = body;
    request->body_len = request->content_length;
    request->body_read = true;
    return ST_OK;
}

bool request_is_json(const struct request *request)
{
    static const char json[] = "application/json";
    const char *type = request_header(request, "Content-Type");
    if (!type)
        return !request->content_length;
    type += strspn(type, " \t");
    if (strncasecmp(type, json, sizeof(json) - 1) != 0)
        return false;
    type += sizeof(json) - 1;
    type += strspn(type, " \t");
    return !*type || *type == ';';
}

bool request_is_https(const struct request *request)
{
    const char *https = request_param(request, "HTTPS");
    const char *proto = request_header(request, "X-Forwarded-Proto");
    return (https && !strcasecmp(https, "on")) || (proto && !strcasecmp(proto, "https"));
}

/* name, name:port, 1.2.3.4 or [::1]:port; nothing that could end an address or a header. */
static bool is_host(const char *host)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (strnlen(host, HOST_MAX + 1) > HOST_MAX)
        return false;
    size_t n;
    if (*host == '[') {
        n = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (n == 1 || host[n] != ']')
            return false;
        n++;
    } else {
        n = strspn(host, name);
    }
    host += n;
    if (!n || !*host)
        return n > 0;
    size_t digits = strspn(host + 1, "0123456789");
    return *host == ':' && digits >= 1 && digits <= 5 && !host[1 + digits];
}

const char *request_origin(const struct request *request)
{
    const char *host = request_header(request, "Host");
    if (!host || !is_host(host))
        return NULL;
    return arena_printf(request->arena, "%s://%s", request_is_https(request) ? "https" : "http", host);
}
