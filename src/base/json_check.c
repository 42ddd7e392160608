/*
 * Whether bytes are JSON as json.h describes it: RFC 8259 and RFC 3629 in one pass.
 *
 * What must stay true: nothing is accepted here that json-c would have to guess about; recursion is bounded by
 * JSON_DEPTH_MAX; no input makes it slower than n log n (keys are sorted, not compared each with each).
 *
 * Values wait on a stack until their container closes, and are then moved into one array of it: so elements are found
 * by index, and a text needs memory in proportion to its values.
 */
#include "base/json_check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"

/* A decoded key of an object that is still open. */
struct name {
    const char *text;
    uint32_t len;
    uint32_t at; /* of its quote in the text */
};

struct scan {
    struct arena *arena;
    const char *text;
    size_t n;
    size_t at; /* the next byte to look at */
    struct json *values;
    size_t value_count, value_cap;
    size_t total; /* values so far, those in closed containers too */
    struct name *names;
    size_t name_count, name_cap;
    struct name top; /* the key of the top-level member being read */
    struct json_error *error;
};

static enum status scan_value(struct scan *scan, unsigned depth);

static enum status refuse(struct scan *scan, size_t at, const char *message)
{
    struct json_error *error = scan->error;
    error->offset = at;
    error->message = message;
    size_t n = scan->top.len, max = sizeof(error->key) - 1;
    if (n > max)
        for (n = max; ((unsigned char)scan->top.text[n] & 0xC0) == 0x80;)
            n--;
    if (n)
        memcpy(error->key, scan->top.text, n);
    error->key[n] = '\0';
    return ST_INVALID;
}

/* The byte at `at`, or -1 behind the end. */
static int byte_at(const struct scan *scan, size_t at)
{
    return at < scan->n ? (unsigned char)scan->text[at] : -1;
}

static enum status refuse_here(struct scan *scan, const char *message)
{
    return refuse(scan, scan->at, scan->at < scan->n ? message : "unexpected end of the text");
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->n) {
        char c = scan->text[scan->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        scan->at++;
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The unit of \uXXXX whose backslash is at `at`, or -1. */
static long unicode_unit(const struct scan *scan, size_t at)
{
    if (byte_at(scan, at) != '\\' || byte_at(scan, at + 1) != 'u')
        return -1;
    long unit = 0;
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = hex_value(byte_at(scan, i));
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static bool is_high_surrogate(long unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low_surrogate(long unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* An escape, from its backslash on. */
static enum status scan_escape(struct scan *scan)
{
    int c = byte_at(scan, scan->at + 1);
    if (c < 0)
        return refuse(scan, scan->n, "unexpected end of the text");
    if (c != 'u') {
        if (!c || !strchr("\"\\/bfnrt", c))
            return refuse_here(scan, "unknown escape");
        scan->at += 2;
        return ST_OK;
    }
    long unit = unicode_unit(scan, scan->at);
    if (unit < 0)
        return refuse_here(scan, "malformed \\u escape");
    if (unit == 0)
        return refuse_here(scan, "U+0000 cannot be kept");
    if (is_low_surrogate(unit) || (is_high_surrogate(unit) && !is_low_surrogate(unicode_unit(scan, scan->at + 6))))
        return refuse_here(scan, "lone surrogate");
    scan->at += is_high_surrogate(unit) ? 12 : 6;
    return ST_OK;
}

/* A string, from its opening quote to behind the closing one. */
static enum status scan_string(struct scan *scan)
{
    scan->at++;
    while (scan->at < scan->n) {
        unsigned char c = (unsigned char)scan->text[scan->at];
        if (c == '"') {
            scan->at++;
            return ST_OK;
        }
        if (c == '\\') {
            enum status status = scan_escape(scan);
            if (status)
                return status;
            continue;
        }
        if (c < 0x20)
            return refuse_here(scan, "control character in a string");
        size_t sequence = utf8_sequence(scan->text + scan->at, scan->n - scan->at);
        if (!sequence)
            return refuse_here(scan, "invalid UTF-8");
        scan->at += sequence;
    }
    return refuse_here(scan, "");
}

/* The code point as UTF-8. Answers where to go on. */
static char *put_code_point(char *to, unsigned long c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800)
        *to++ = (char)(0xC0 | c >> 6);
    else {
        if (c < 0x10000)
            *to++ = (char)(0xE0 | c >> 12);
        else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
    }
    *to++ = (char)(0x80 | (c & 0x3F));
    return to;
}

/* A checked escape at `at` decoded to `to`; both move on. */
static void decode_escape(const struct scan *scan, size_t *at, char **to)
{
    static const char short_values[128] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    unsigned char c = (unsigned char)scan->text[*at + 1];
    if (c != 'u') {
        *(*to)++ = short_values[c] ? short_values[c] : (char)c;
        *at += 2;
        return;
    }
    unsigned long unit = (unsigned long)unicode_unit(scan, *at);
    *at += 6;
    if (is_high_surrogate((long)unit)) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + ((unsigned long)unicode_unit(scan, *at) - 0xDC00);
        *at += 6;
    }
    *to = put_code_point(*to, unit);
}

/* The checked key between start and end, decoded, so that "a" and "\u0061" are the same, with a NUL behind it. */
static enum status decode_name(struct scan *scan, size_t start, size_t end, struct name *name)
{
    char *to = arena_alloc(scan->arena, end - start + 1);
    if (!to)
        return ST_UNAVAILABLE;
    name->text = to;
    while (start < end) {
        if (scan->text[start] == '\\')
            decode_escape(scan, &start, &to);
        else
            *to++ = scan->text[start++];
    }
    name->len = (uint32_t)(to - name->text);
    return ST_OK;
}

/* Room for one more in a stack of things of the given size: the stack, moved perhaps, or NULL. */
static void *stack_room(struct scan *scan, void *stack, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return stack;
    size_t wanted = *cap ? *cap * 2 : 32;
    void *moved = arena_grow(scan->arena, stack, *cap * size, wanted * size);
    if (moved)
        *cap = wanted;
    return moved;
}

static enum status push_name(struct scan *scan, const struct name *name)
{
    struct name *names = stack_room(scan, scan->names, scan->name_count, &scan->name_cap, sizeof(*names));
    if (!names)
        return ST_UNAVAILABLE;
    scan->names = names;
    names[scan->name_count++] = *name;
    return ST_OK;
}

/* The value that goes from start to here. */
static enum status push_value(struct scan *scan, struct json value, size_t start)
{
    if (++scan->total > JSON_VALUES_MAX)
        return ST_TOO_LARGE;
    struct json *values = stack_room(scan, scan->values, scan->value_count, &scan->value_cap, sizeof(*values));
    if (!values)
        return ST_UNAVAILABLE;
    value.start = scan->text + start;
    value.len = (uint32_t)(scan->at - start);
    scan->values = values;
    values[scan->value_count++] = value;
    return ST_OK;
}

/* The values from `first` on become the children of the container that goes from start to here. */
static enum status push_container(struct scan *scan, enum json_type type, size_t first, size_t start)
{
    size_t count = scan->value_count - first;
    struct json container = {.type = type, .count = (uint32_t)count};
    if (count) {
        container.children = arena_alloc(scan->arena, count * sizeof(struct json));
        if (!container.children)
            return ST_UNAVAILABLE;
        memcpy(container.children, scan->values + first, count * sizeof(struct json));
    }
    scan->value_count = first;
    return push_value(scan, container, start);
}

/* By text, and the same text by place. */
static int compare_names(const void *a, const void *b)
{
    const struct name *left = a, *right = b;
    int order = memcmp(left->text, right->text, left->len < right->len ? left->len : right->len);
    if (order)
        return order;
    if (left->len != right->len)
        return left->len < right->len ? -1 : 1;
    return left->at < right->at ? -1 : left->at > right->at;
}

/* Whether the names of the object that closes now differ; takes them off the stack. */
static enum status check_names(struct scan *scan, size_t first, unsigned depth)
{
    size_t count = scan->name_count - first;
    scan->name_count = first;
    if (count < 2)
        return ST_OK;
    struct name *names = scan->names + first;
    const struct name *duplicate = NULL;
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 1; i < count; i++) {
        bool same = names[i].len == names[i - 1].len && !memcmp(names[i].text, names[i - 1].text, names[i].len);
        if (same && (!duplicate || names[i].at < duplicate->at))
            duplicate = &names[i];
    }
    if (!duplicate)
        return ST_OK;
    if (depth == 1)
        scan->top = *duplicate;
    return refuse(scan, duplicate->at, "duplicate key");
}

/* Behind a child: a comma (*more) or the closing bracket. */
static enum status scan_separator(struct scan *scan, char close, bool *more)
{
    skip_space(scan);
    int c = byte_at(scan, scan->at);
    *more = c == ',';
    if (!*more && c != close)
        return refuse_here(scan, close == '}' ? "expected a comma or }" : "expected a comma or ]");
    scan->at++;
    return ST_OK;
}

/* Whether the container just opened closes at once. */
static bool is_empty(struct scan *scan, char close)
{
    scan->at++;
    skip_space(scan);
    if (byte_at(scan, scan->at) != close)
        return false;
    scan->at++;
    return true;
}

static enum status scan_array(struct scan *scan, unsigned depth)
{
    size_t start = scan->at, first = scan->value_count;
    bool more = !is_empty(scan, ']');
    while (more) {
        enum status status = scan_value(scan, depth + 1);
        if (!status)
            status = scan_separator(scan, ']', &more);
        if (status)
            return status;
    }
    return push_container(scan, JSON_ARRAY, first, start);
}

/* A key and the colon behind it. */
static enum status scan_name(struct scan *scan, struct name *name)
{
    skip_space(scan);
    if (byte_at(scan, scan->at) != '"')
        return refuse_here(scan, "expected a key in double quotes");
    size_t start = scan->at;
    enum status status = scan_string(scan);
    if (status)
        return status;
    *name = (struct name){.at = (uint32_t)start};
    status = decode_name(scan, start + 1, scan->at - 1, name);
    skip_space(scan);
    if (!status && byte_at(scan, scan->at) != ':')
        status = refuse_here(scan, "expected a colon");
    scan->at++;
    return status;
}

static enum status scan_member(struct scan *scan, unsigned depth)
{
    struct name name;
    enum status status = scan_name(scan, &name);
    if (!status)
        status = push_name(scan, &name);
    if (status)
        return status;
    if (depth == 1)
        scan->top = name;
    status = scan_value(scan, depth + 1);
    if (status)
        return status;
    scan->values[scan->value_count - 1].key = name.text;
    if (depth == 1)
        scan->top.len = 0;
    return ST_OK;
}

static enum status scan_object(struct scan *scan, unsigned depth)
{
    size_t start = scan->at, first = scan->value_count, first_name = scan->name_count;
    bool more = !is_empty(scan, '}');
    while (more) {
        enum status status = scan_member(scan, depth);
        if (!status)
            status = scan_separator(scan, '}', &more);
        if (status)
            return status;
    }
    enum status status = check_names(scan, first_name, depth);
    return status ? status : push_container(scan, JSON_OBJECT, first, start);
}

/* Skips digits, of which there must be one. */
static enum status scan_digits(struct scan *scan)
{
    if (!is_digit(byte_at(scan, scan->at)))
        return refuse_here(scan, "malformed number");
    while (is_digit(byte_at(scan, scan->at)))
        scan->at++;
    return ST_OK;
}

/* Whether an integer, given by its digits without a leading zero, fits into 64 bits. */
static bool fits_int64(const char *digits, size_t n, bool negative)
{
    static const char limit[2][20] = {"9223372036854775807", "9223372036854775808"};
    return n < 19 || (n == 19 && memcmp(digits, limit[negative], 19) <= 0);
}

static enum status scan_number(struct scan *scan)
{
    size_t start = scan->at;
    bool negative = scan->text[start] == '-';
    size_t digits = scan->at += negative;
    /* No digit may follow a leading zero. */
    enum status status = ST_OK;
    if (byte_at(scan, scan->at) == '0')
        scan->at++;
    else
        status = scan_digits(scan);
    bool integer = fits_int64(scan->text + digits, scan->at - digits, negative);
    if (!status && byte_at(scan, scan->at) == '.') {
        integer = false;
        scan->at++;
        status = scan_digits(scan);
    }
    int c = byte_at(scan, scan->at);
    if (!status && (c == 'e' || c == 'E')) {
        integer = false;
        scan->at++;
        c = byte_at(scan, scan->at);
        scan->at += c == '+' || c == '-';
        status = scan_digits(scan);
    }
    if (!status && is_digit(byte_at(scan, scan->at)))
        status = refuse_here(scan, "malformed number");
    return status ? status : push_value(scan, (struct json){.type = integer ? JSON_INT : JSON_DOUBLE}, start);
}

static enum status scan_word(struct scan *scan, const char *word, enum json_type type)
{
    size_t n = strlen(word), start = scan->at;
    if (scan->n - start < n || memcmp(scan->text + start, word, n) != 0)
        return refuse_here(scan, "unknown word");
    scan->at += n;
    return push_value(scan, (struct json){.type = type}, start);
}

/* One value with the space before it; depth: what its level would be if it is a container. */
static enum status scan_value(struct scan *scan, unsigned depth)
{
    skip_space(scan);
    int c = byte_at(scan, scan->at);
    if (c == '{' || c == '[') {
        if (depth > JSON_DEPTH_MAX)
            return refuse_here(scan, "nested too deeply");
        return c == '{' ? scan_object(scan, depth) : scan_array(scan, depth);
    }
    if (c == '"') {
        size_t start = scan->at;
        enum status status = scan_string(scan);
        return status ? status : push_value(scan, (struct json){.type = JSON_STRING}, start);
    }
    if (c == '-' || is_digit(c))
        return scan_number(scan);
    if (c == 't')
        return scan_word(scan, "true", JSON_BOOL);
    if (c == 'f')
        return scan_word(scan, "false", JSON_BOOL);
    if (c == 'n')
        return scan_word(scan, "null", JSON_NULL);
    return refuse_here(scan, "expected a value");
}

enum status json_check_tree(struct arena *arena, const char *text, size_t n, struct json *root,
                            struct json_error *error)
{
    struct scan scan = {.arena = arena, .text = text, .n = n, .error = error};
    *error = (struct json_error){.message = ""};
    /* Offsets are kept in 32 bits, and json-c counts in int. */
    if (n >= INT_MAX)
        return refuse(&scan, 0, "the text is too long");
    enum status status = scan_value(&scan, 1);
    if (status)
        return status;
    skip_space(&scan);
    if (scan.at < n)
        return refuse(&scan, scan.at, "bytes behind the end of the value");
    *root = scan.values[0];
    return ST_OK;
}

enum status json_check(struct arena *arena, const char *text, size_t n, struct json_error *error)
{
    struct json root;
    return json_check_tree(arena, text, n, &root, error);
}
