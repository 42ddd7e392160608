/*
 * Reading the input of a request: body fields, query parameters, ids in the path.
 *
 * The readers do not stop at the first mistake: each wrong field is noted in api->call.fault and a harmless value
 * answered; the handler asks fields_check once, before it does anything. Field names go by one table of aliases
 * (fields.c): dialects call the same thing by other names; two names of one thing with different values are a mistake.
 * A session's id and `thread-<id>` are one value.
 */
#ifndef PARLEY_API_FIELDS_H
#define PARLEY_API_FIELDS_H

#include <stdbool.h>

#include "api/api.h"
#include "base/json.h"
#include "core/thread.h"

/* FIELD_NOT_EMPTY may be absent or null. */
enum field_need { FIELD_OPTIONAL, FIELD_NOT_EMPTY, FIELD_REQUIRED };

/* Reads and parses the body, which must be one JSON object; no body at all is an empty one. A user_id in it must be the
 * caller's (ST_FORBIDDEN). Must be called before the other body readers; ST_INVALID, ST_TOO_LARGE or ST_UNSUPPORTED
 * with the reason in the fault. */
enum status fields_body(struct api *api) MUST_CHECK;

/* ST_INVALID when any field was wrong. */
enum status fields_check(struct api *api) MUST_CHECK;

/* Whether the body names the field at all, null included. */
bool field_present(struct api *api, const char *name);

/* A string of at most max_characters; NULL when absent or null. Only an optional one may be empty. */
const char *field_text(struct api *api, const char *name, enum field_need need, size_t max_characters);

/* The same, of one line: no control characters. */
const char *field_line(struct api *api, const char *name, enum field_need need, size_t max_characters);

/* The name that the body uses for the field. */
const char *field_spelling(struct api *api, const char *name);

/* A string of at most max_bytes that may be empty. */
const char *field_long_text(struct api *api, const char *name, enum field_need need, size_t max_bytes);

/* A uuid; NULL when absent or null. */
const char *field_uuid(struct api *api, const char *name, enum field_need need);

/* "true", "false", or NULL when absent. */
const char *field_bool(struct api *api, const char *name);

/* An object or array as JSON text of at most max_bytes, also with its numbers written out; NULL when absent or null. */
const char *field_json(struct api *api, const char *name, enum json_type type, size_t max_bytes);

/* An array that must be there, of 1 to max_elements. */
const struct json *field_array(struct api *api, const char *name, size_t max_elements);

/* An e-mail address in lower case. */
const char *field_email(struct api *api, const char *name);

/* A helper's name; NULL when absent or null. */
const char *field_name(struct api *api, const char *name);

/* A helper's name in a front end's own words, made to fit; *word is how it is written there. NULL when absent, null, or
 * empty in the query. */
const char *field_helper(struct api *api, const char *name, const char **word);
const char *query_helper(struct api *api, const char *name, const char **word);

/* The name of a thread, by any of its aliases; false when absent or null. */
bool field_thread(struct api *api, struct thread_name *name);
bool query_thread(struct api *api, struct thread_name *name);

/* Query parameters: a whole number in a range, a uuid, a name, "true" or "false". Absent answers the default or NULL.
 */
bool query_given(struct api *api, const char *name); /* not empty, by any of its names */
long query_int(struct api *api, const char *name, long min, long max, long absent);
const char *query_uuid(struct api *api, const char *name);
const char *query_name(struct api *api, const char *name);
const char *query_bool(struct api *api, const char *name);

/* The index-th id of the path. Not a uuid is ST_NOT_FOUND: no such thing can be there. */
enum status path_uuid(struct api *api, unsigned index, struct uuid *uuid) MUST_CHECK;

#endif
