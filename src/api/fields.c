/* Reading the input of a request: body fields, query parameters, ids in the path. */
#include "api/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/utf8.h"
#include "core/helper.h"

#define ALIASES_MAX     4
#define HELPER_WORD_MAX 200 /* characters */

/* What the dialects call the same thing: the canonical name of each row comes first. */
static const char *const aliases[][ALIASES_MAX] = {
    {"content", "text", "message"}, {"session_id", "thread_id", "threadId", "sessionId"},
    {"project_id", "projectId"},    {"user_id", "userId"},
    {"tool_calls", "toolCalls"},
};

static void wrong(struct api *api, const char *name, const char *message)
{
    (void)!fault_field(&api->call.fault, name, message);
}

/* The row of names that go for one thing; NULL for a name without aliases. */
static const char *const *names_of(const char *name)
{
    for (size_t row = 0; row < sizeof(aliases) / sizeof(aliases[0]); row++)
        for (size_t i = 0; i < ALIASES_MAX && aliases[row][i]; i++)
            if (strcmp(aliases[row][i], name) == 0)
                return aliases[row];
    return NULL;
}

/* Whether two texts under these names say one thing: a session's id and its name as a thread do. */
static bool same_text(struct api *api, const char *const *names, const char *a, const char *b)
{
    struct thread_name one, other;
    if (strcmp(a, b) == 0)
        return true;
    return strcmp(names[0], "session_id") == 0 && thread_name_read(api->call.arena, a, &one) &&
           thread_name_read(api->call.arena, b, &other) && strcmp(one.text, other.text) == 0;
}

/* Whether both are one: strings by what they say, anything else as it is written. */
static bool same_value(struct api *api, const char *const *names, const struct json *a, const struct json *b)
{
    if (json_type(a) == JSON_STRING && json_type(b) == JSON_STRING)
        return same_text(api, names, json_string(a, NULL), json_string(b, NULL));
    const char *one = json_raw(api->call.arena, a), *other = json_raw(api->call.arena, b);
    return one && other && strcmp(one, other) == 0;
}

/* The member by any of its names. *name becomes the one that the caller used. */
static const struct json *find(struct api *api, const char **name)
{
    const char *const *names = names_of(*name);
    if (!names)
        return json_member(api->body, *name);
    const struct json *found = NULL;
    for (size_t i = 0; i < ALIASES_MAX && names[i]; i++) {
        const struct json *value = json_member(api->body, names[i]);
        if (value && found && !same_value(api, names, value, found))
            wrong(api, names[i], "contradicts another name of the same field");
        if (value && !found) {
            found = value;
            *name = names[i];
        }
    }
    return found;
}

/* The member when it is there, not null and of the type; else NULL, with a mistake noted where that is one. */
static const struct json *find_typed(struct api *api, const char **name, enum field_need need, enum json_type type,
                                     const char *expected)
{
    const struct json *value = find(api, name);
    if (!value || json_type(value) == JSON_NULL) {
        if (need == FIELD_REQUIRED)
            wrong(api, *name, "is required");
        return NULL;
    }
    if (json_type(value) == type)
        return value;
    wrong(api, *name, expected);
    return NULL;
}

/* What the token says and what the body says of the user must agree. */
static enum status check_user(struct api *api)
{
    const char *name = "user_id";
    const struct json *value = api->call.user.text[0] ? find(api, &name) : NULL;
    struct uuid named;
    if (!value || json_type(value) == JSON_NULL)
        return ST_OK;
    if (json_type(value) == JSON_STRING && uuid_parse(&named, json_string(value, NULL)) &&
        strcmp(named.text, api->call.user.text) == 0)
        return ST_OK;
    return fault_set(&api->call.fault, ST_FORBIDDEN, "user_mismatch", "user_id is not the token's user.");
}

static enum status refuse_json(struct api *api, const struct json_error *error)
{
    const char *name = arena_strdup(api->call.arena, error->key[0] ? error->key : "body");
    (void)!fault_set(&api->call.fault, ST_INVALID, "invalid_json", "The body is not valid JSON.");
    return fault_field(&api->call.fault, name ? name : "body", error->message);
}

enum status fields_body(struct api *api)
{
    struct request *request = api->request;
    enum status status = request_read_body(request, api->match.route->body_max, &api->call.fault);
    if (status != ST_OK)
        return status;
    if (!(api->match.route->flags & ROUTE_ANY_TYPE) && !request_is_json(request))
        return fault_set(&api->call.fault, ST_UNSUPPORTED, NULL, "The body must be application/json.");
    struct json_error error;
    const char *text = request->body_len ? request->body : "{}";
    status = json_parse(api->call.arena, text, request->body_len ? request->body_len : 2, &api->body, &error);
    if (status == ST_INVALID)
        return refuse_json(api, &error);
    /* Memory that a text does not find is the caller's doing too, and would fail again. */
    if (status != ST_OK)
        return fault_set(&api->call.fault, ST_TOO_LARGE, "json_too_large", "The body has too many values.");
    if (json_type(api->body) != JSON_OBJECT) {
        wrong(api, "body", "must be a JSON object");
        return fields_check(api);
    }
    return check_user(api);
}

enum status fields_check(struct api *api)
{
    if (api->call.fault.fields == 0)
        return ST_OK;
    return fault_set(&api->call.fault, ST_INVALID, "invalid_field", "A field of the request is not valid.");
}

bool field_present(struct api *api, const char *name)
{
    return find(api, &name) != NULL;
}

const char *field_text(struct api *api, const char *name, enum field_need need, size_t max_characters)
{
    const struct json *value = find_typed(api, &name, need, JSON_STRING, "must be a string");
    if (!value)
        return NULL;
    size_t n;
    const char *text = json_string(value, &n);
    if (n == 0 && need != FIELD_OPTIONAL)
        wrong(api, name, "must not be empty");
    if (utf8_length(text, n) > max_characters)
        wrong(api, name, "is too long");
    return text;
}

/* Names and titles are shown in a line, in terminals too: nothing in them may move a cursor. */
static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

const char *field_line(struct api *api, const char *name, enum field_need need, size_t max_characters)
{
    const char *text = field_text(api, name, need, max_characters);
    if (text && has_control(text))
        wrong(api, name, "must be one line without control characters");
    return text;
}

const char *field_spelling(struct api *api, const char *name)
{
    (void)find(api, &name);
    return name;
}

const char *field_long_text(struct api *api, const char *name, enum field_need need, size_t max_bytes)
{
    const struct json *value = find_typed(api, &name, need, JSON_STRING, "must be a string");
    if (!value)
        return NULL;
    size_t n;
    const char *text = json_string(value, &n);
    if (n > max_bytes)
        wrong(api, name, "is too long");
    return text;
}

const char *field_uuid(struct api *api, const char *name, enum field_need need)
{
    const struct json *value = find_typed(api, &name, need, JSON_STRING, "must be a UUID");
    struct uuid uuid;
    if (!value)
        return NULL;
    if (!uuid_parse(&uuid, json_string(value, NULL))) {
        wrong(api, name, "must be a UUID");
        return NULL;
    }
    return arena_strdup(api->call.arena, uuid.text);
}

const char *field_bool(struct api *api, const char *name)
{
    const struct json *value = find_typed(api, &name, FIELD_OPTIONAL, JSON_BOOL, "must be true or false");
    return value ? db_bool(json_bool(value)) : NULL;
}

/* Whether JSON text stays within max bytes in the database, which writes numbers out: 1e400 with 401 digits. */
static bool fits_written_out(const char *text, size_t max)
{
    bool quoted = false;
    size_t n = 0;
    for (const char *at = text; *at && n <= max; at++, n++) {
        if (quoted && *at == '\\')
            at++, n++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == 'e' || *at == 'E') && at > text && at[-1] >= '0' && at[-1] <= '9') {
            unsigned long exponent = strtoul(at + 1 + (at[1] == '-' || at[1] == '+'), NULL, 10);
            n += exponent <= max ? exponent : max + 1;
        }
    }
    return n <= max;
}

const char *field_json(struct api *api, const char *name, enum json_type type, size_t max_bytes)
{
    const struct json *value =
        find_typed(api, &name, FIELD_OPTIONAL, type, type == JSON_ARRAY ? "must be an array" : "must be an object");
    const char *text = value ? json_raw(api->call.arena, value) : NULL;
    if (value && !text)
        wrong(api, name, "could not be read");
    if (text && !fits_written_out(text, max_bytes))
        wrong(api, name, "is too long");
    return text;
}

const struct json *field_array(struct api *api, const char *name, size_t max_elements)
{
    const struct json *value = find_typed(api, &name, FIELD_REQUIRED, JSON_ARRAY, "must be an array");
    if (value && json_size(value) == 0)
        wrong(api, name, "must not be empty");
    if (value && json_size(value) > max_elements)
        wrong(api, name, "has too many elements");
    return value;
}

const char *field_email(struct api *api, const char *name)
{
    const char *given = field_text(api, name, FIELD_REQUIRED, 254);
    char *email = given ? arena_strdup(api->call.arena, given) : NULL;
    if (!email)
        return NULL;
    for (char *c = email; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (email[0] && !pattern_matches(PATTERN_EMAIL, email))
        wrong(api, name, "must be an e-mail address");
    return email;
}

const char *field_name(struct api *api, const char *name)
{
    const char *text = field_text(api, name, FIELD_OPTIONAL, 64);
    if (text && !pattern_matches(PATTERN_NAME, text))
        wrong(api, name, "must be a name of a-z, 0-9, _ and -");
    return text;
}

/* A helper's name made of what a front end calls it. */
static const char *fit_helper(struct api *api, const char *name, const char *word)
{
    char *fitted = word ? arena_alloc(api->call.arena, HELPER_NAME_MAX + 1) : NULL;
    if (fitted && !helper_name_fit(word, fitted))
        wrong(api, name, "must have a letter of a-z");
    return fitted;
}

const char *field_helper(struct api *api, const char *name, const char **word)
{
    *word = field_text(api, name, FIELD_OPTIONAL, HELPER_WORD_MAX);
    return fit_helper(api, name, *word);
}

const char *query_helper(struct api *api, const char *name, const char **word)
{
    *word = query_given(api, name) ? request_query(api->request, name) : NULL;
    if (*word && utf8_length(*word, strlen(*word)) > HELPER_WORD_MAX)
        wrong(api, name, "is too long");
    return fit_helper(api, name, *word);
}

/* A thread's name as somebody wrote it; false: it is none. */
static bool read_thread(struct api *api, const char *field, const char *given, struct thread_name *name)
{
    bool fits = given[0] && utf8_length(given, strlen(given)) <= THREAD_NAME_MAX && !has_control(given);
    if (fits && thread_name_read(api->call.arena, given, name))
        return true;
    wrong(api, field, "must be the name of a thread");
    return false;
}

bool field_thread(struct api *api, struct thread_name *name)
{
    const char *field = "thread_id";
    const struct json *value = find_typed(api, &field, FIELD_OPTIONAL, JSON_STRING, "must be a string");
    return value && read_thread(api, field, json_string(value, NULL), name);
}

/* The query parameter by any of its names. *name becomes the one that the caller used. */
static const char *find_query(struct api *api, const char **name)
{
    const char *const *names = names_of(*name);
    if (!names)
        return request_query(api->request, *name);
    const char *given = NULL;
    for (size_t i = 0; i < ALIASES_MAX && names[i]; i++) {
        const char *value = request_query(api->request, names[i]);
        if (value && given && !same_text(api, names, value, given))
            wrong(api, names[i], "contradicts another name of the same field");
        if (value && !given) {
            given = value;
            *name = names[i];
        }
    }
    return given;
}

bool query_thread(struct api *api, struct thread_name *name)
{
    const char *field = "thread_id";
    const char *given = find_query(api, &field);
    return given && read_thread(api, field, given, name);
}

bool query_given(struct api *api, const char *name)
{
    const char *text = find_query(api, &name);
    return text && text[0];
}

long query_int(struct api *api, const char *name, long min, long max, long absent)
{
    const char *text = request_query(api->request, name);
    if (!text)
        return absent;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && !*end;
    if (!digits || errno || number < min || number > max) {
        char *message = arena_printf(api->call.arena, "must be a whole number from %ld to %ld", min, max);
        wrong(api, name, message ? message : "is out of range");
        return absent;
    }
    return number;
}

const char *query_uuid(struct api *api, const char *name)
{
    const char *text = find_query(api, &name);
    struct uuid uuid;
    if (!text)
        return NULL;
    if (!uuid_parse(&uuid, text)) {
        wrong(api, name, "must be a UUID");
        return NULL;
    }
    return arena_strdup(api->call.arena, uuid.text);
}

const char *query_name(struct api *api, const char *name)
{
    const char *text = request_query(api->request, name);
    if (text && !pattern_matches(PATTERN_NAME, text))
        wrong(api, name, "must be a name of a-z, 0-9, _ and -");
    return text;
}

const char *query_bool(struct api *api, const char *name)
{
    const char *text = request_query(api->request, name);
    if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        wrong(api, name, "must be true or false");
    return text;
}

enum status path_uuid(struct api *api, unsigned index, struct uuid *uuid)
{
    if (uuid_parse(uuid, api->match.param[index]))
        return ST_OK;
    return fault_set(&api->call.fault, ST_NOT_FOUND, NULL, NULL);
}
