/*
 * The values of the options, as every layer may read them. Filled by server/config from the one table in
 * server/options.c, where each is explained; read-only after that. Texts live as long as the configuration.
 */
#ifndef PARLEY_BASE_SETTINGS_H
#define PARLEY_BASE_SETTINGS_H

#include <stdbool.h>

#define SETTINGS_SECRET_MAX 256

/* A secret read from a file, in memory only. len 0: not set. */
struct settings_secret {
    unsigned char bytes[SETTINGS_SECRET_MAX];
    unsigned len;
};

struct settings {
    /* processes */
    const char *listen;
    const char *pid_file;
    int workers;
    int relays;
    int max_requests;
    int drain_seconds;
    const char *log_level;
    /* database */
    const char *database;
    bool single_role;
    const char *app_role;
    bool prepared;
    int database_timeout_ms;
    /* tokens */
    struct settings_secret jwt_secret;
    struct settings_secret jwt_previous_secret;
    const char *jwt_issuer;
    const char *jwt_audience;
    int access_token_seconds;
    int refresh_token_seconds;
    int hashes_at_once;
    bool signup;
    const char *cookie_secure; /* "auto", "on", "off" */
    const char *allowed_origins;
    bool trusted_header;
    struct settings_secret trusted_header_secret;
    /* limits and quotas; 0 is "no limit" for quotas */
    int max_body_bytes;
    int max_message_bytes;
    int quota_requests_per_minute;
    int quota_sessions_per_minute;
    int quota_turns_per_minute;
    int quota_turns_running;
    int quota_sessions;
    int quota_tokens_per_day;
    int restore_days;
    int idempotency_hours;
    /* front ends of threads */
    bool single_thread;
    /* the model server; model_url "": the echo model */
    const char *model_url;
    const char *model_key_file; /* read by the relay alone; "": none */
    const char *model_name;
    const char *models; /* that a request may name besides, comma separated; "*": any */
    int model_connect_ms;
    int model_first_byte_ms; /* from the request to the first byte of the answer */
    int model_idle_ms;       /* between two bytes of it */
    int model_total_ms;
    int history_tokens; /* how much of a session the model is told, at four bytes a token */
    int max_answer_bytes;
};

#endif
