/*
 * Reading the configuration.
 *
 * What must stay true: a value is set only when it is allowed; every problem is told with its place; no problem shows a
 * secret or a conninfo.
 */
#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/crypto.h"
#include "base/utf8.h"
#include "server/options.h"

#define PREFIX      "PARLEY_"
#define TEXT_MAX    (256 * 1024)
#define SECRET_MIN  32
#define WORKERS_MIN 4
#define ROLE_MAX    63

/* Where a value stands, for problems: line 0 is the environment or, with no file, the defaults. */
struct place {
    const char *file;
    unsigned line;
};

static void note(struct config *config, bool warning, const char *text)
{
    if (!warning)
        config->errors++;
    if (config->problems < CONFIG_PROBLEMS_MAX)
        config->problem[config->problems++] =
            (struct config_problem){.warning = warning, .text = text ? text : "memory is out"};
}

__attribute__((format(printf, 3, 4))) static void error_at(struct config *config, const struct place *place,
                                                           const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    if (!place || !place->file)
        note(config, false, arena_strdup(config->arena, what));
    else if (place->line)
        note(config, false, arena_printf(config->arena, "%s:%u: %s", place->file, place->line, what));
    else
        note(config, false, arena_printf(config->arena, "%s: %s", place->file, what));
}

/* Whether value is one of the words; *index says which. */
static bool find_word(const char *words, const char *value, int *index)
{
    size_t n = strlen(value);
    *index = 0;
    for (const char *word = words; word; (*index)++) {
        const char *end = strchr(word, ' ');
        size_t len = end ? (size_t)(end - word) : strlen(word);
        if (len == n && !memcmp(word, value, n))
            return true;
        word = end ? end + 1 : NULL;
    }
    return false;
}

static bool read_number(const struct option *option, const char *value, int *number)
{
    char *end;
    errno = 0;
    long parsed = strtol(value, &end, 10);
    if (errno || end == value || *end || !isdigit((unsigned char)*value) || parsed < option->min ||
        parsed > option->max)
        return false;
    *number = (int)parsed;
    return true;
}

/* One line of clean text: of use in a path, a header and the log. */
static bool is_clean(const char *value)
{
    for (const char *c = value; *c; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return utf8_valid(value, strlen(value));
}

/* Reads a secret's file, without the newline at its end. What is said of it names the file and never its content. */
static void read_secret(struct config *config, const struct place *place, const char *path,
                        struct settings_secret *secret)
{
    char bytes[SETTINGS_SECRET_MAX + 2];
    struct stat file;
    if (*path != '/') {
        error_at(config, place, "%.80s: a secret's path begins with /, whatever folder this is started in", path);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 && fstat(fd, &file) == 0 ? read(fd, bytes, sizeof(bytes)) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (got > 0 && bytes[got - 1] == '\n')
        got--;
    if (got < 0)
        error_at(config, place, "%s cannot be read: %s", path, strerror(error));
    else if (!S_ISREG(file.st_mode))
        error_at(config, place, "%s is not a file", path);
    else if (file.st_mode & S_IRWXO)
        error_at(config, place, "%s is open to everybody: chmod 600 %s", path, path);
    else if (got < SECRET_MIN)
        error_at(config, place, "%s is too short for a secret: %d bytes at least", path, SECRET_MIN);
    else if (got > SETTINGS_SECRET_MAX)
        error_at(config, place, "%s is too long for a secret: %d bytes at most", path, SETTINGS_SECRET_MAX);
    else {
        memcpy(secret->bytes, bytes, (size_t)got);
        secret->len = (unsigned)got;
    }
    crypto_wipe(bytes, sizeof(bytes));
}

/* What reading goes by: whose secrets count, and which line set each option (0: none yet). */
struct reading {
    struct config *config;
    enum config_use use;
    unsigned *lines;
};

/* Puts an allowed value into the settings. False: it is not allowed. */
static bool set_value(struct reading *reading, const struct option *option, const char *value,
                      const struct place *place)
{
    struct config *config = reading->config;
    void *field = (char *)&config->settings + option->place;
    int index = 0;
    switch (option->type) {
    case OPTION_NUMBER:
        return read_number(option, value, field);
    case OPTION_SWITCH:
        if (!find_word(option->words, value, &index))
            return false;
        *(bool *)field = index == 1;
        return true;
    case OPTION_CHOICE:
        if (!find_word(option->words, value, &index))
            return false;
        break;
    case OPTION_PATH:
        if (*value != '/' && (*value || !option->optional))
            return false;
        break;
    case OPTION_SECRET:
        crypto_wipe(field, sizeof(struct settings_secret));
        if (*value && reading->use == CONFIG_SERVE)
            read_secret(config, place, value, field);
        return true;
    case OPTION_TEXT:
        break;
    }
    const char *text = arena_strdup(config->arena, value);
    if (!text)
        error_at(config, place, "memory is out");
    *(const char **)field = text ? text : option->standard;
    return true;
}

static void set_option(struct reading *reading, const struct option *option, const char *value,
                       const struct place *place)
{
    char allowed[OPTIONS_ALLOWED_MAX];
    if (!is_clean(value))
        error_at(reading->config, place, "%s: control characters and invalid UTF-8 are not allowed", option->name);
    else if (!set_value(reading, option, value, place))
        error_at(reading->config, place, "%s = %.80s: %s is allowed", option->name, value,
                 options_allowed(option, allowed));
}

static void set_standards(struct reading *reading)
{
    for (const struct option *option = options_table; option->name; option++)
        if (*option->name)
            set_option(reading, option, option->standard, NULL);
}

/* The text without the white space around it, in place. */
static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static void read_line(struct reading *reading, char *line, const struct place *place)
{
    line = trim(line);
    if (!*line || *line == '#')
        return;
    char *equals = strchr(line, '=');
    if (!equals) {
        error_at(reading->config, place, "not a line `name = value`, nor a comment");
        return;
    }
    *equals = '\0';
    const char *name = trim(line);
    const struct option *option = options_find(name);
    if (!option) {
        error_at(reading->config, place, "%.40s is not an option: `parley help options` lists them",
                 is_clean(name) ? name : "this");
        return;
    }
    unsigned *before = &reading->lines[option - options_table];
    if (*before)
        error_at(reading->config, place, "%s stands in line %u already", name, *before);
    else
        set_option(reading, option, trim(equals + 1), place);
    *before = place->line;
}

static void read_file(struct reading *reading, const char *path)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file in UTF-8 with it */
    struct place place = {.file = arena_strdup(reading->config->arena, path)};
    FILE *file = fopen(path, "re");
    if (!file) {
        error_at(reading->config, &place, "cannot be read: %s", strerror(errno));
        return;
    }
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, file)) >= 0) {
        place.line++;
        if (strlen(line) != (size_t)n)
            error_at(reading->config, &place, "a NUL byte is not text");
        else
            read_line(reading, place.line == 1 && !strncmp(line, mark, 3) ? line + 3 : line, &place);
    }
    place.line = 0;
    if (ferror(file))
        error_at(reading->config, &place, "cannot be read: %s", strerror(errno));
    free(line);
    fclose(file);
}

/* What scripts around the program, and the program itself, read from the environment besides options. */
static bool is_known_elsewhere(const char *name)
{
    return !strcmp(name, "PARLEY_STATE") || !strcmp(name, "PARLEY_PORT") || !strcmp(name, "PARLEY_CONFIG") ||
           !strncmp(name, "PARLEY_MODEL_", strlen("PARLEY_MODEL_"));
}

static void read_variable(struct reading *reading, const char *variable)
{
    char name[64];
    const char *equals = strchr(variable, '=');
    size_t n = equals ? (size_t)(equals - variable) : 0;
    if (n <= strlen(PREFIX) || n >= sizeof(name) || strncmp(variable, PREFIX, strlen(PREFIX)) != 0)
        return;
    memcpy(name, variable, n);
    name[n] = '\0';

    char key[sizeof(name)] = "";
    for (size_t i = strlen(PREFIX); i < n; i++)
        key[i - strlen(PREFIX)] = (char)tolower((unsigned char)name[i]);
    const struct option *option = options_find(key);
    struct place place = {.file = arena_strdup(reading->config->arena, name)};
    if (option)
        set_option(reading, option, equals + 1, &place);
    else if (!is_known_elsewhere(name))
        note(reading->config, true,
             arena_printf(reading->config->arena, "%s is in the environment, but no option",
                          is_clean(name) ? name : PREFIX "..."));
}

/* scheme://host, and nothing behind the host. */
static bool is_origin(const char *text, size_t n)
{
    size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
    return scheme && n > scheme && !memchr(text + scheme, '/', n - scheme) && !memchr(text, '*', n);
}

static void check_origins(struct config *config)
{
    const char *origin = config->settings.allowed_origins;
    while (*(origin += strspn(origin, " \t"))) {
        size_t n = strcspn(origin, " \t");
        if (!is_origin(origin, n))
            error_at(config, NULL, "allowed_origins: %.*s is not like https://host or http://host:port",
                     n > 80 ? 80 : (int)n, origin);
        origin += n;
    }
}

/* http:// or https://, a host, and no white space. */
static bool is_http_url(const char *text)
{
    size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
    return scheme && text[scheme] && text[scheme] != '/' && !strpbrk(text, " \t");
}

/* What no option can see alone. */
static void check_together(struct config *config, enum config_use use)
{
    const struct settings *settings = &config->settings;
    size_t listen = strlen(settings->listen);
    if (listen && settings->listen[listen - 1] == '/')
        error_at(config, NULL, "listen: %.80s is a folder's path, the socket's is needed", settings->listen);
    if (listen >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        error_at(config, NULL, "listen: a socket's path has at most %zu bytes",
                 sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    if (!*settings->app_role || strlen(settings->app_role) > ROLE_MAX)
        error_at(config, NULL, "app_role: a role's name of 1 to %d bytes is needed", ROLE_MAX);
    if (settings->max_message_bytes > settings->max_body_bytes)
        error_at(config, NULL, "max_message_bytes is more than max_body_bytes: no such message could be sent");
    if (*settings->model_url && !is_http_url(settings->model_url))
        error_at(config, NULL, "model_url is not like http://host:port/v1 or https://host/v1");
    check_origins(config);
    if (use != CONFIG_SERVE || config->errors)
        return;
    if (!settings->jwt_secret.len)
        error_at(config, NULL, "jwt_secret_file is not set: `openssl rand -hex 32` makes a secret to put into a file");
    if (settings->trusted_header && !settings->trusted_header_secret.len)
        error_at(config, NULL, "trusted_header needs trusted_header_secret_file");
}

/* The numbers that 0 leaves to the program. */
static void resolve(struct settings *settings)
{
    cpu_set_t cores;
    if (!settings->workers) {
        int count = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
        settings->workers = 2 * count > WORKERS_MIN ? 2 * count : WORKERS_MIN;
    }
    if (!settings->hashes_at_once)
        settings->hashes_at_once = settings->workers > 1 ? settings->workers / 2 : 1;
}

static size_t count_options(void)
{
    size_t n = 0;
    while (options_table[n].name)
        n++;
    return n;
}

struct config *config_read(const char *path, char *const *environment, enum config_use use)
{
    struct config *config = calloc(1, sizeof(*config));
    struct arena *arena = config ? arena_new(TEXT_MAX) : NULL;
    unsigned *lines = arena ? arena_alloc(arena, count_options() * sizeof(*lines)) : NULL;
    if (!lines) {
        arena_free(arena);
        free(config);
        return NULL;
    }
    config->arena = arena;
    struct reading reading = {.config = config, .use = use, .lines = lines};
    set_standards(&reading);
    if (path)
        read_file(&reading, path);
    for (; *environment; environment++)
        read_variable(&reading, *environment);
    check_together(config, use);
    resolve(&config->settings);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    arena_free(config->arena);
    crypto_wipe(config, sizeof(*config));
    free(config);
}

void config_complain(const struct config *config, FILE *out)
{
    unsigned errors = 0;
    for (unsigned i = 0; i < config->problems; i++) {
        fprintf(out, "%s%s\n", config->problem[i].warning ? "warning: " : "error: ", config->problem[i].text);
        errors += !config->problem[i].warning;
    }
    if (config->errors > errors)
        fprintf(out, "error: and %u more\n", config->errors - errors);
}

const char *config_path(const char *given)
{
    const char *variable = getenv("PARLEY_CONFIG");
    if (given)
        return given;
    if (variable && *variable)
        return variable;
    return access(CONFIG_STANDARD_PATH, F_OK) == 0 ? CONFIG_STANDARD_PATH : NULL;
}
