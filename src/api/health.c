/* Whether the process lives, whether it can serve, and what it has counted. */
#include "api/fields.h"
#include "api/handlers.h"
#include "base/log.h"
#include "db/guard.h"

static void reply_state(struct api *api, const char *state)
{
    struct json_writer *json = reply_json(api->reply, 200);
    reply_header(api->reply, "Cache-Control", "no-store");
    json_begin_object(json);
    json_put_text(json, "status", state);
    json_end_object(json);
}

enum status health_live(struct api *api)
{
    reply_state(api, "alive");
    return ST_OK;
}

enum status health_ready(struct api *api)
{
    const char *reason = NULL;
    enum status status = guard_check(api->app->db, api->call.arena, api->app->settings, &reason);
    if (status != ST_OK) {
        log_event(LOG_LEVEL_WARN, "not_ready", log_str("reason", reason));
        return fault_set(&api->call.fault, ST_UNAVAILABLE, "not_ready", "Not ready to serve; the log says why.");
    }
    reply_state(api, "ready");
    return ST_OK;
}

enum status health_metrics(struct api *api)
{
    const struct app *app = api->app;
    if (!app->metrics_write)
        return fault_set(&api->call.fault, ST_NOT_FOUND, NULL, NULL);
    api->reply->status = 200;
    reply_header(api->reply, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    reply_header(api->reply, "Cache-Control", "no-store");
    app->metrics_write(app->metrics, &api->reply->body);
    return ST_OK;
}
