/* The schema's SQL inside the program; generated from sql/ into schema.c. Both lists end with a text of NULL. */
#ifndef PARLEY_DB_SCHEMA_H
#define PARLEY_DB_SCHEMA_H

struct schema_file {
    int number;       /* of a migration, else 0 */
    const char *name; /* "0001_start", "policies/chat_sessions" */
    const char *text;
};

/* Makes the schema and its table of migrations, where they are missing. */
extern const char schema_first[];

/* By number, from 1 up. */
extern const struct schema_file schema_migrations[];

/* Functions, then policies, then views, each by name. */
extern const struct schema_file schema_repeatable[];

#endif
