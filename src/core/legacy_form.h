/*
 * The forms in which other applications keep chats, and reading them: whatever the form, its messages come as rows of
 * one shape, ordered by owner, session and place (sql/queries/legacy_source.sql).
 */
#ifndef PARLEY_CORE_LEGACY_FORM_H
#define PARLEY_CORE_LEGACY_FORM_H

#include "db/source.h"

/* What the rows of a form are. */
enum legacy_form_kind { LEGACY_PEOPLE, LEGACY_PROJECTS, LEGACY_MESSAGES, LEGACY_USAGE };

struct legacy_form {
    const char *name;      /* as source_forms tells it */
    const char *namespace; /* of ids that are not uuids: forms that speak of the same sessions share it */
    enum legacy_form_kind kind;
    enum query stream, count; /* no count but for messages */
    const char *person;       /* the column by which it knows people */
    bool has_default;         /* its thread user-<id> is the one thread of that person */
    bool has_places;          /* a message is known by its place in its session; 0: the session has no list */
};

/* How much is kept of what a message has besides its text, in bytes. */
#define LEGACY_TOOL_CALLS_MAX 262144
#define LEGACY_METADATA_MAX   65536

/* In the order in which they are to be read; ends with a name of NULL. */
extern const struct legacy_form legacy_forms[];

/* Whether each form of the table is there. */
enum status legacy_forms_find(struct source *source, bool *there) MUST_CHECK;

/* How many messages the form has, about. */
enum status legacy_form_count(struct source *source, const struct legacy_form *form, int64_t *count) MUST_CHECK;

/* A row of messages. Texts live until the next row; NULL: there is none. */
struct legacy_row {
    const char *owner;
    const char *session; /* NULL: it is not there */
    const char *message; /* NULL: the session has none; "": it has no id */
    const char *role, *content;
    size_t content_len;
    bool has_content;                  /* though content is NULL: it is too long */
    const char *tool_calls, *metadata; /* "": longer than is kept */
    const char *created_at;
    const char *title, *project, *project_name, *helper, *thread, *provider_thread, *is_active;
    const char *session_created_at, *session_updated_at, *last_message_at, *project_created_at;
    bool is_mended; /* a value in it was one that jsonb cannot hold */
    bool is_taken;  /* the text of a turn that a message with the same role names */
    bool is_twice;  /* of a turn whose id another in the session has */
};
void legacy_row_read(const struct source_stream *stream, struct legacy_row *row);

#endif
