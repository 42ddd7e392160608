/*
 * Signing up, in, out, and staying signed in.
 *
 * Answers carry an access token and a refresh token; asked with "refresh": "cookie", the refresh token goes into a
 * cookie that scripts cannot read instead. A cookie counts only in a request from this site's own pages
 * (identity_check_origin).
 */
#include <string.h>

#include "api/fields.h"
#include "api/handlers.h"
#include "api/views.h"
#include "auth/identity.h"
#include "auth/jwt.h"
#include "auth/password.h"
#include "auth/refresh.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "core/login.h"
#include "core/user.h"

#define COOKIE      "parley_refresh"
#define COOKIE_PATH "/api/v1/auth"

/* Whether the client wants its refresh token in a cookie; anything but "cookie" and "body" is noted as wrong. */
static bool wants_cookie(struct api *api)
{
    const char *mode = field_text(api, "refresh", FIELD_OPTIONAL, 16);
    if (mode && strcmp(mode, "cookie") != 0 && strcmp(mode, "body") != 0)
        (void)!fault_field(&api->call.fault, "refresh", "must be \"cookie\" or \"body\"");
    return mode && strcmp(mode, "cookie") == 0;
}

static const char *password_field(struct api *api, const char *name)
{
    const char *password = field_text(api, name, FIELD_REQUIRED, PASSWORD_MAX);
    if (password && strlen(password) > PASSWORD_MAX)
        (void)!fault_field(&api->call.fault, name, "is too long");
    return password;
}

/* A password that is being chosen must have some length; one that is only compared need not. */
static const char *new_password_field(struct api *api, const char *name)
{
    const char *password = password_field(api, name);
    if (password && password[0] && utf8_length(password, strlen(password)) < PASSWORD_MIN)
        (void)!fault_field(&api->call.fault, name, "must have at least 8 characters");
    return password;
}

static void set_cookie(struct api *api, const char *value, int seconds)
{
    const char *mode = api->app->settings->cookie_secure;
    bool secure = strcmp(mode, "on") == 0 || (strcmp(mode, "auto") == 0 && request_is_https(api->request));
    char *cookie =
        arena_printf(api->call.arena, COOKIE "=%s; Path=" COOKIE_PATH "; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                     value, seconds, secure ? "; Secure" : "");
    if (cookie)
        reply_header(api->reply, "Set-Cookie", cookie);
}

/* The tokens, and the person where the caller has read them. */
static enum status reply_tokens(struct api *api, unsigned status, const struct refresh_token *refresh, bool cookie,
                                const struct user *user)
{
    const struct settings *settings = api->app->settings;
    const char *access = jwt_sign(api->call.arena, settings, &refresh->user, clock_real_ms() / 1000);
    if (!access)
        return ST_UNAVAILABLE;
    struct json_writer *json = reply_json(api->reply, status);
    reply_header(api->reply, "Cache-Control", "no-store");
    if (cookie)
        set_cookie(api, refresh->text, settings->refresh_token_seconds);
    json_begin_object(json);
    json_put_text(json, "access_token", access);
    json_put_text(json, "token_type", "Bearer");
    json_put_int(json, "expires_in", settings->access_token_seconds);
    if (!cookie)
        json_put_text(json, "refresh_token", refresh->text);
    json_put_text(json, "user_id", refresh->user.text);
    if (user) {
        json_write_key(json, "user");
        view_user(json, user);
    }
    json_end_object(json);
    return ST_OK;
}

static enum status read_signup(struct api *api, struct user_new *new_user, const char **password, bool *cookie)
{
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    *new_user = (struct user_new){
        .email = field_email(api, "email"),
        .display_name = field_line(api, "display_name", FIELD_NOT_EMPTY, VIEW_NAME_MAX),
        .avatar_url = view_url_field(api, "avatar_url"),
    };
    *password = new_password_field(api, "password");
    *cookie = wants_cookie(api);
    return fields_check(api);
}

enum status auth_signup(struct api *api)
{
    struct call *call = &api->call;
    struct user_new new_user;
    const char *password;
    bool cookie;
    if (!api->app->settings->signup)
        return fault_set(&call->fault, ST_FORBIDDEN, "signup_disabled", "New accounts are not accepted here.");
    enum status status = read_signup(api, &new_user, &password, &cookie);
    if (status != ST_OK)
        return status;

    char hash[PASSWORD_HASH_MAX];
    status = password_hash(password, hash, &call->fault);
    if (status != ST_OK)
        return status;

    /* The person and their first refresh token are stored together. */
    struct uuid id;
    struct refresh_token refresh;
    struct user user;
    if (!uuid_v7(&id) || refresh_new(&refresh, &id) != ST_OK)
        return ST_UNAVAILABLE;
    call_set_user(call, &id);
    new_user.password_hash = hash;
    const struct db_rows *rows = user_queue_create(call, &new_user);
    refresh_queue_store(call, &refresh);
    status = call_run(call);
    if (status != ST_OK)
        return status;
    user_created(rows, new_user.email, &user);
    reply_header(api->reply, "Location", "/api/v1/users/me");
    return reply_tokens(api, 201, &refresh, cookie, &user);
}

/* Compares a password with an address' login, counting the attempt. ST_UNAUTHENTICATED when it does not fit. */
static enum status check_login(struct api *api, const char *email, int attempts, const char *password,
                               struct login *login)
{
    struct call *call = &api->call;
    bool matches = false;
    enum status status = login_begin(call, email, attempts, login);
    if (status != ST_OK)
        return status;
    status = password_verify(password, login->password_hash, &matches, &call->fault);
    if (status != ST_OK) {
        /* A busy server is no failure of the caller, who will come again as told. */
        (void)!login_untried(call, email);
        return status;
    }
    if (!matches)
        return fault_set(&call->fault, ST_UNAUTHENTICATED, "invalid_credentials",
                         "The e-mail address or the password is wrong.");
    return login_succeeded(call, email);
}

enum status auth_login(struct api *api)
{
    struct call *call = &api->call;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *email = field_email(api, "email");
    const char *password = password_field(api, "password");
    bool cookie = wants_cookie(api);
    status = fields_check(api);
    if (status != ST_OK)
        return status;

    struct login login;
    struct refresh_token refresh;
    struct user user;
    status = check_login(api, email, LOGIN_ATTEMPTS, password, &login);
    if (status == ST_OK)
        status = refresh_new(&refresh, &login.user);
    if (status != ST_OK)
        return status;
    call_next(call);
    call_set_user(call, &login.user);
    login_queue_hold(call, &login);
    refresh_queue_store(call, &refresh);
    status = user_get(call, &user);
    return status == ST_OK ? reply_tokens(api, 200, &refresh, cookie, &user) : status;
}

/* The refresh token of the request: from the body, or from the cookie of a page of this site. */
static enum status read_refresh(struct api *api, struct refresh_token *token, bool *cookie)
{
    struct fault *fault = &api->call.fault;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *text = field_text(api, "refresh_token", FIELD_OPTIONAL, 256);
    status = fields_check(api);
    if (status != ST_OK)
        return status;
    *cookie = !text;
    if (!text) {
        text = request_cookie(api->request, COOKIE);
        if (text && (status = identity_check_origin(api->request, api->app->settings, fault)) != ST_OK)
            return status;
    }
    if (!text || refresh_parse(token, text) != ST_OK)
        return fault_set(fault, ST_UNAUTHENTICATED, "refresh_invalid", "A valid refresh token is needed.");
    return ST_OK;
}

enum status auth_refresh(struct api *api)
{
    struct refresh_token used, next;
    bool cookie;
    enum status status = read_refresh(api, &used, &cookie);
    if (status == ST_OK)
        status = refresh_rotate(&api->call, &used, &next);
    return status == ST_OK ? reply_tokens(api, 200, &next, cookie, NULL) : status;
}

/* Signs out one device by its refresh token; with {"all": true} and an access token, every device. */
enum status auth_logout(struct api *api)
{
    struct call *call = &api->call;
    struct refresh_token token;
    struct uuid user;
    bool cookie;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *all = field_bool(api, "all");
    if (all && strcmp(all, "true") == 0) {
        status = identity_of(api->request, api->app->settings, &user, &call->fault);
        if (status != ST_OK)
            return status;
        call_set_user(call, &user);
        status = login_end_all(call);
    } else {
        status = read_refresh(api, &token, &cookie);
        if (status == ST_OK)
            status = refresh_revoke(call, &token);
    }
    if (status != ST_OK)
        return status;
    reply_empty(api->reply);
    if (request_cookie(api->request, COOKIE))
        set_cookie(api, "", 0);
    return ST_OK;
}

/* Changes the password: every device is signed out, this one gets new tokens. */
enum status auth_password(struct api *api)
{
    struct call *call = &api->call;
    const struct uuid user = call->user;
    enum status status = fields_body(api);
    if (status != ST_OK)
        return status;
    const char *current = password_field(api, "current_password");
    const char *wanted = new_password_field(api, "new_password");
    bool cookie = wants_cookie(api);
    status = fields_check(api);
    if (status != ST_OK)
        return status;

    const char *email;
    struct login login;
    struct refresh_token refresh;
    char hash[PASSWORD_HASH_MAX];
    status = login_address(call, &email);
    if (status == ST_OK)
        status = check_login(api, email, LOGIN_ATTEMPTS_SIGNED_IN, current, &login);
    if (status == ST_OK)
        status = password_hash(wanted, hash, &call->fault);
    if (status == ST_OK)
        status = refresh_new(&refresh, &user);
    if (status != ST_OK)
        return status;
    call_next(call);
    login_queue_hold(call, &login);
    login_queue_password(call, hash);
    refresh_queue_store(call, &refresh);
    status = call_run(call);
    return status == ST_OK ? reply_tokens(api, 200, &refresh, cookie, NULL) : status;
}
