/*
 * `parley user`: accounts, for the administrator.
 *
 * What must stay true: passwords come from stdin, never from the command line, where every user of the machine could
 * read them.
 */
#include "server/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/arena.h"
#include "base/crypto.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "core/legacy.h"
#include "core/login.h"
#include "core/user.h"
#include "server/commands.h"

#define ARENA_CAP ((size_t)1 << 20)

/* Whether it is an address, which is put into lower case. */
static bool is_email(char *email)
{
    for (char *c = email; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return pattern_matches(PATTERN_EMAIL, email);
}

/* One line of stdin, without its end; a terminal does not show it. */
static bool read_password(char password[PASSWORD_MAX + 2])
{
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("password: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool read = fgets(password, PASSWORD_MAX + 2, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)fputc('\n', stderr);
    }
    if (!read)
        return false;
    password[strcspn(password, "\r\n")] = '\0';
    size_t n = strlen(password);
    return utf8_valid(password, n) && utf8_length(password, n) >= PASSWORD_MIN && n <= PASSWORD_MAX;
}

static enum status ask_hash(struct call *call, char hash[PASSWORD_HASH_MAX])
{
    char password[PASSWORD_MAX + 2];
    enum status status = ST_OK;
    if (!read_password(password))
        status = fault_set(&call->fault, ST_INVALID, "invalid_password",
                           "The password is the first line of stdin and has 8 characters or more.");
    if (status == ST_OK)
        status = password_init(1);
    if (status == ST_OK)
        status = password_hash(password, hash, &call->fault);
    crypto_wipe(password, sizeof(password));
    return status;
}

static enum status add(struct call *call, const char *email)
{
    char hash[PASSWORD_HASH_MAX];
    struct uuid id;
    enum status status = ask_hash(call, hash);
    if (status == ST_OK && !uuid_v7(&id))
        status = ST_UNAVAILABLE;
    if (status != ST_OK)
        return status;
    call_set_user(call, &id);
    (void)user_queue_create(call, &(struct user_new){.email = email, .password_hash = hash});
    status = call_run(call);
    if (status == ST_OK)
        puts(id.text);
    return status;
}

/* The call becomes the one of the address' owner. */
static enum status become(struct call *call, const char *email)
{
    struct uuid id;
    enum status status = login_find(call, email, &id);
    call_next(call);
    if (status == ST_OK)
        call_set_user(call, &id);
    return status;
}

static enum status set_password(struct call *call, const char *email)
{
    char hash[PASSWORD_HASH_MAX];
    enum status status = ask_hash(call, hash);
    if (status == ST_OK)
        status = become(call, email);
    if (status != ST_OK)
        return status;
    login_queue_password(call, hash);
    status = call_run(call);
    if (status == ST_OK)
        printf("%s has a new password; every device is signed out\n", email);
    return status;
}

static enum status show(struct call *call, const char *email)
{
    struct user user;
    enum status status = become(call, email);
    if (status == ST_OK)
        status = user_get(call, &user);
    if (status == ST_OK)
        printf("%s  %s  %s  since %s\n", user.id.text, email, user.display_name ? user.display_name : "-",
               user.created_at);
    return status;
}

static enum status remove_account(struct call *call, const char *email)
{
    enum status status = become(call, email);
    if (status == ST_OK)
        status = user_delete(call);
    if (status == ST_OK)
        printf("%s is removed, with everything of theirs\n", email);
    return status;
}

/* Which imported owner is meant, by the source and the id that they had there, or by their address. */
struct claim {
    const char *source, *owner;
};

static enum status find_owner(struct call *call, const struct claim *claim)
{
    struct uuid id;
    enum status status = ST_NOT_FOUND;
    char *email = arena_strdup(call->arena, claim->owner);
    if (!email)
        return ST_UNAVAILABLE;
    bool has_address = is_email(email);
    if (has_address)
        status = become(call, email);
    /* An id may look like an address. */
    if (status != ST_NOT_FOUND || (has_address && !claim->source))
        return status;
    if (!claim->source && !uuid_parse(&id, claim->owner))
        return fault_set(&call->fault, ST_INVALID, NULL,
                         "An id that is no uuid needs --source: the import's report names it.");
    status = legacy_id(claim->source ? claim->source : "", "user", claim->owner, &id);
    if (status == ST_OK)
        call_set_user(call, &id);
    return status;
}

static enum status claim_account(struct call *call, const struct claim *claim, const char *email)
{
    char hash[PASSWORD_HASH_MAX];
    enum status status = find_owner(call, claim);
    if (status == ST_OK)
        status = ask_hash(call, hash);
    if (status != ST_OK)
        return status;
    call_next(call);
    status = legacy_claim(call, email, hash);
    if (status == ST_OK)
        printf("%s has a login now: %s\n", call->user.text, email);
    return status;
}

static const struct {
    const char *name;
    enum status (*run)(struct call *call, const char *email);
} verbs[] = {{"add", add}, {"password", set_password}, {"show", show}, {"remove", remove_account}};

/* With a claim the verb does not matter. */
static int run(const struct settings *settings, unsigned verb, const struct claim *claim, const char *email)
{
    struct call call;
    struct arena *arena = arena_new(ARENA_CAP);
    struct db *db = db_new(settings);
    enum status status = ST_UNAVAILABLE;
    if (arena && db) {
        call_init(&call, arena, db, settings);
        status = claim ? claim_account(&call, claim, email) : verbs[verb].run(&call, email);
        if (status != ST_OK)
            fprintf(stderr, "parley: %s\n", call.fault.detail ? call.fault.detail : status_code(status));
    }
    db_free(db);
    arena_free(arena);
    return status == ST_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Does the verb; argv[0] is the last argument that was read. */
static int run_configured(int argc, char **argv, unsigned verb, const struct claim *claim, char *email)
{
    static char command[] = "user";
    if (!is_email(email)) {
        fprintf(stderr, "parley: %s is not an e-mail address\n", email);
        return EX_USAGE;
    }
    argv[0] = command;
    struct config *config = commands_config(argc, argv, CONFIG_DATABASE);
    int status = config ? run(&config->settings, verb, claim, email) : EX_CONFIG;
    config_free(config);
    return status;
}

/* claim [--source S] LEGACY-ID-OR-EMAIL EMAIL */
static int claim_command(int argc, char **argv)
{
    struct claim claim = {0};
    if (argc > 2 && !strcmp(argv[1], "--source")) {
        claim.source = argv[2];
        argc -= 2;
        argv += 2;
    }
    if (argc < 3)
        return EX_USAGE;
    claim.owner = argv[1];
    return run_configured(argc - 2, argv + 2, 0, &claim, argv[2]);
}

int accounts_command(int argc, char **argv)
{
    for (unsigned verb = 0; argc >= 3 && verb < sizeof(verbs) / sizeof(verbs[0]); verb++)
        if (strcmp(argv[1], verbs[verb].name) == 0)
            return run_configured(argc - 2, argv + 2, verb, NULL, argv[2]);
    if (argc >= 4 && strcmp(argv[1], "claim") == 0)
        return claim_command(argc - 1, argv + 1);
    fputs("usage: parley user add | password | show | remove EMAIL [-c FILE]\n"
          "       parley user claim [--source NAME] LEGACY-ID-OR-EMAIL EMAIL [-c FILE]\n",
          stderr);
    return EX_USAGE;
}
