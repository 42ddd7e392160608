/*
 * Every option of the program, and the table in words.
 *
 * What must stay true: an option exists here or nowhere; its default is valid by its own row (tests prove it).
 */
#include "server/options.h"

#include <limits.h>
#include <string.h>

#include "base/settings.h"

#define HEADING(text)                                                                                                  \
    {                                                                                                                  \
        .name = "", .help = (text)                                                                                     \
    }
#define TEXT(n, field, std, what)                                                                                      \
    {                                                                                                                  \
        .name = (n), .type = OPTION_TEXT, .standard = (std), .place = offsetof(struct settings, field), .help = (what) \
    }
#define PATH(n, field, std, what)                                                                                      \
    {                                                                                                                  \
        .name = (n), .type = OPTION_PATH, .standard = (std), .place = offsetof(struct settings, field),                \
        .at_start = true, .help = (what)                                                                               \
    }
#define PATH_OR_NONE(n, field, std, what)                                                                              \
    {                                                                                                                  \
        .name = (n), .type = OPTION_PATH, .standard = (std), .place = offsetof(struct settings, field),                \
        .optional = true, .at_start = true, .help = (what)                                                             \
    }
#define NUMBER(n, field, std, from, to, what)                                                                          \
    {                                                                                                                  \
        .name = (n), .type = OPTION_NUMBER, .standard = (std), .min = (from), .max = (to),                             \
        .place = offsetof(struct settings, field), .help = (what)                                                      \
    }
#define CHOICE(n, field, std, list, what)                                                                              \
    {                                                                                                                  \
        .name = (n), .type = OPTION_CHOICE, .standard = (std), .words = (list),                                        \
        .place = offsetof(struct settings, field), .help = (what)                                                      \
    }
#define SWITCH(n, field, std, list, what)                                                                              \
    {                                                                                                                  \
        .name = (n), .type = OPTION_SWITCH, .standard = (std), .words = (list),                                        \
        .place = offsetof(struct settings, field), .help = (what)                                                      \
    }
#define SECRET(n, field, what)                                                                                         \
    {                                                                                                                  \
        .name = (n), .type = OPTION_SECRET, .standard = "", .place = offsetof(struct settings, field), .help = (what)  \
    }

const struct option options_table[] = {
    HEADING("Processes"),
    PATH("listen", listen, "/run/parley/parley.sock", "the UNIX socket for the web server's FastCGI; mode 0660"),
    PATH_OR_NONE("pid_file", pid_file, "/run/parley/parley.pid",
                 "holds the master's pid and keeps a second one away; empty: none"),
    NUMBER("workers", workers, "0", 0, 128,
           "processes that answer requests (without a master: answers that each may write at once); 0: twice the "
           "cores, at least 4"),
    NUMBER("relays", relays, "1", 1, 8, "processes that hold the streamed answers"),
    NUMBER("max_requests", max_requests, "10000", 0, 1000000000,
           "a worker makes room for a fresh one after so many requests; 0: never"),
    NUMBER("drain_seconds", drain_seconds, "30", 0, 3600,
           "how long a worker that is asked to end may go on with its request"),
    CHOICE("log_level", log_level, "info", "error warn info debug",
           "what is logged, to standard error; info has a line for each request"),

    HEADING("Database"),
    TEXT("database", database, "",
         "how to connect, in libpq's words (host=/run/postgresql dbname=parley); empty: PG* of the environment"),
    SWITCH("roles", single_role, "normal", "normal single",
           "single: one role owns the schema and serves, for hosts that give no other"),
    TEXT("app_role", app_role, "parley_app", "the role that serves; `parley migrate` grants to it"),
    SWITCH("prepared", prepared, "on", "off on", "named prepared statements; off behind PgBouncer before 1.21"),
    NUMBER("database_timeout", database_timeout_ms, "5000", 100, 600000,
           "milliseconds that a connection or a transaction may take"),

    HEADING("Who calls"),
    SECRET("jwt_secret_file", jwt_secret, "the file with the secret that signs access tokens, 32 to 256 bytes; needed"),
    SECRET("jwt_previous_secret_file", jwt_previous_secret,
           "the secret before it: still accepted, while tokens signed with it live; empty: none"),
    TEXT("jwt_issuer", jwt_issuer, "parley", "`iss` of access tokens, made and demanded"),
    TEXT("jwt_audience", jwt_audience, "parley", "`aud` of access tokens, made and demanded"),
    NUMBER("access_token_seconds", access_token_seconds, "900", 30, 86400, "life of an access token"),
    NUMBER("refresh_token_seconds", refresh_token_seconds, "2592000", 60, 31536000, "life of a refresh token"),
    NUMBER("hashes_at_once", hashes_at_once, "0", 0, 128,
           "passwords hashed at the same time, 32 MiB each; 0: half the workers, at least 1"),
    SWITCH("signup", signup, "on", "off on", "whether anybody may make an account"),
    CHOICE("cookie_secure", cookie_secure, "auto", "auto on off",
           "Secure on the refresh cookie; auto: when the request came by https"),
    TEXT("allowed_origins", allowed_origins, "",
         "other origins whose pages may use the refresh cookie: https://a.example https://b.example"),
    SWITCH("trusted_header", trusted_header, "off", "off on",
           "X-User-ID of the web server counts as proof, beside the secret in X-Proxy-Secret"),
    SECRET("trusted_header_secret_file", trusted_header_secret,
           "the file with the secret shared with the web server; needed by trusted_header"),

    HEADING("Limits; 0 is no limit for quotas"),
    NUMBER("max_body_bytes", max_body_bytes, "1048576", 1024, 67108864, "longest request body"),
    NUMBER("max_message_bytes", max_message_bytes, "262144", 1, 67108864, "longest message"),
    NUMBER("quota_requests_per_minute", quota_requests_per_minute, "600", 0, INT_MAX, "requests of a user in a minute"),
    NUMBER("quota_sessions_per_minute", quota_sessions_per_minute, "60", 0, INT_MAX,
           "new sessions of a user in a minute"),
    NUMBER("quota_turns_per_minute", quota_turns_per_minute, "60", 0, INT_MAX, "turns of a user in a minute"),
    NUMBER("quota_turns_running", quota_turns_running, "20", 0, INT_MAX, "turns of a user that run at the same time"),
    NUMBER("quota_sessions", quota_sessions, "10000", 0, INT_MAX, "sessions that a user can have"),
    NUMBER("quota_tokens_per_day", quota_tokens_per_day, "0", 0, INT_MAX, "model tokens of a user in a day"),
    NUMBER("restore_days", restore_days, "30", 0, 36500, "days that a deleted session can be restored"),
    NUMBER("idempotency_hours", idempotency_hours, "24", 1, 8760, "hours that an Idempotency-Key is remembered"),

    HEADING("Front ends of threads"),
    SWITCH("single_thread", single_thread, "off", "off on",
           "who names no thread to /chat/stream and /chat/history means the person's one thread; the web server may "
           "say it for each site by PARLEY_SINGLE_THREAD"),

    HEADING("The model server"),
    TEXT("model_url", model_url, "",
         "where it speaks OpenAI's API, as http://127.0.0.1:11434/v1; empty: the built-in echo model answers"),
    PATH_OR_NONE("model_key_file", model_key_file, "",
                 "the file with its key, sent as a bearer's; read by the relay and `parley doctor`; empty: none"),
    TEXT("model_name", model_name, "",
         "the model that is asked unless a helper names another; empty: the server's own"),
    TEXT("models", models, "",
         "models that a request may name besides it, with commas between them; *: any; empty: none"),
    NUMBER("model_connect_ms", model_connect_ms, "5000", 10, 600000, "milliseconds until the connection stands"),
    NUMBER("model_first_byte_ms", model_first_byte_ms, "60000", 10, 86400000,
           "milliseconds from the request to the first byte of the answer"),
    NUMBER("model_idle_ms", model_idle_ms, "60000", 10, 86400000, "milliseconds between two bytes of the answer"),
    NUMBER("model_total_ms", model_total_ms, "600000", 10, 86400000, "milliseconds that a whole answer may take"),
    NUMBER("history_tokens", history_tokens, "32000", 100, 100000000,
           "how much of a session the model is told, the newest first, at four bytes a token and at most 500 messages; "
           "the system prompt is not counted"),
    NUMBER("max_answer_bytes", max_answer_bytes, "10485760", 1024, 268435456, "longest answer"),
    {.name = NULL},
};

const struct option *options_find(const char *name)
{
    for (const struct option *option = options_table; option->name; option++)
        if (*name && !strcmp(option->name, name))
            return option;
    return NULL;
}

/* "auto, on or off" of "auto on off". */
static void list_words(const char *words, char *text, size_t size)
{
    size_t len = 0;
    const char *last = strrchr(words, ' ');
    for (const char *c = words; *c && len + 5 < size; c++) {
        const char *piece = *c != ' ' ? NULL : c == last ? " or " : ", ";
        len += piece ? (size_t)snprintf(text + len, size - len, "%s", piece)
                     : (size_t)snprintf(text + len, size - len, "%c", *c);
    }
}

const char *options_allowed(const struct option *option, char text[OPTIONS_ALLOWED_MAX])
{
    switch (option->type) {
    case OPTION_NUMBER:
        snprintf(text, OPTIONS_ALLOWED_MAX, "a number from %d to %d", option->min, option->max);
        return text;
    case OPTION_CHOICE:
    case OPTION_SWITCH:
        list_words(option->words, text, OPTIONS_ALLOWED_MAX);
        return text;
    case OPTION_PATH:
        return option->optional ? "a path from / on, or nothing" : "a path from / on";
    case OPTION_SECRET:
        return "the path of a file";
    case OPTION_TEXT:
        break;
    }
    return "a line of text";
}

void options_print(FILE *out)
{
    char allowed[OPTIONS_ALLOWED_MAX];
    for (const struct option *option = options_table; option->name; option++) {
        if (!*option->name) {
            fprintf(out, "%s%s\n", option == options_table ? "" : "\n", option->help);
            continue;
        }
        fprintf(out, "  %s = %s\n      %s\n      (%s%s)\n", option->name, option->standard, option->help,
                options_allowed(option, allowed), option->at_start ? "; read at the start only" : "");
    }
    fputs("\nEach is a line `name = value` of the file, or PARLEY_<NAME> in the environment, which wins.\n", out);
}

void options_print_example(FILE *out)
{
    fputs("# Parley's configuration, with every option at its default. Made by `parley options --example`.\n"
          "# A line is `name = value`; PARLEY_<NAME> in the environment wins over it. `parley check` reads it for "
          "errors.\n",
          out);
    for (const struct option *option = options_table; option->name; option++) {
        if (*option->name)
            fprintf(out, "# %s\n#%s =%s%s\n", option->help, option->name, *option->standard ? " " : "",
                    option->standard);
        else
            fprintf(out, "\n# --- %s ---\n\n", option->help);
    }
}

void options_print_markdown(FILE *out)
{
    char allowed[OPTIONS_ALLOWED_MAX];
    fputs("| option | default | allowed | what |\n|---|---|---|---|\n", out);
    for (const struct option *option = options_table; option->name; option++) {
        if (!*option->name) {
            fprintf(out, "| **%s** | | | |\n", option->help);
            continue;
        }
        const char *tick = *option->standard ? "`" : "";
        fprintf(out, "| `%s` | %s%s%s | %s | %s |\n", option->name, tick, option->standard, tick,
                options_allowed(option, allowed), option->help);
    }
}
