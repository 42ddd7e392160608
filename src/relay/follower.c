/*
 * Turns that run elsewhere.
 *
 * What must stay true: rows are added to the log under the ids they were stored with, so that a viewer who comes from
 * another process goes on where it was; whether the turn has ended is asked before its last rows are, so that none is
 * missed; one whose events may be purged is told from its message, under ids by which who comes back with one that
 * was given out before rather sees a part again than loses it (sql: turn_retold).
 */
#include "relay/follower.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "db/batch.h"
#include "relay/audience.h"
#include "relay/handover.h"
#include "relay/saver.h"
#include "relay/state.h"

#define ROWS_AT_ONCE "200"
#define ROWS_MAX     200
/* After so long without news it is asked whether the turn still runs. */
#define QUIET_MS 5000
/* The database did not answer for so long. */
#define GIVE_UP_MS 60000

enum query_step { STATUS, ROWS, SETTLE, LAST_ROWS, RETOLD };

struct follower {
    struct audience audience;
    struct saver_job job;
    enum query_step step;
    int64_t news;     /* when there last were any */
    int64_t answered; /* when the database last answered */
};

static struct follower *follower_of_job(struct saver_job *job)
{
    return (struct follower *)(void *)((char *)job - offsetof(struct follower, job));
}

static void go_on(struct follower *follower, enum query_step step, enum saver_wait wait)
{
    follower->step = step;
    saver_plan(follower->audience.relay->saver, &follower->job, wait);
}

/* --- asking --- */

static bool on_ask(struct saver_job *job, struct batch_item *item, struct arena *arena)
{
    static const enum query queries[] = {[STATUS] = QUERY_TURN_GET,
                                         [ROWS] = QUERY_TURN_EVENTS,
                                         [SETTLE] = QUERY_TURN_SETTLE,
                                         [LAST_ROWS] = QUERY_TURN_EVENTS,
                                         [RETOLD] = QUERY_TURN_RETOLD};
    struct follower *follower = follower_of_job(job);
    item->query = queries[follower->step];
    item->params = 2;
    item->param[0] = follower->audience.user.text;
    item->param[1] = follower->step == SETTLE ? follower->audience.session.text : follower->audience.turn.text;
    if (item->query != QUERY_TURN_EVENTS)
        return true;
    item->params = 4;
    item->param[2] = arena_printf(arena, "%ld", follower->audience.log.end);
    item->param[3] = ROWS_AT_ONCE;
    return item->param[2];
}

/* --- what is answered --- */

/* Adds one event as it is stored. False: it is not what has to follow, or memory is out. */
static bool add_row(struct follower *follower, struct db_rows *rows, unsigned row)
{
    struct turn_log *log = &follower->audience.log;
    struct arena *arena = follower->audience.relay->scratch;
    const char *name = row_text(rows, row, 1), *data = row_text(rows, row, 2);
    enum turn_event type = turn_event_parse(name ? name : "");
    enum status added = ST_INVALID;
    if (type == TURN_TOKEN || type == TURN_REASONING) {
        struct json_error error;
        const struct json *event, *content = NULL;
        size_t n = 0;
        if (data && json_parse(arena, data, strlen(data), &event, &error) == ST_OK && json_type(event) == JSON_OBJECT)
            content = json_member(event, "content");
        const char *text = content && json_type(content) == JSON_STRING ? json_string(content, &n) : NULL;
        /* Between what is told from its message, thoughts that are not stored leave a gap. */
        if (follower->step == RETOLD && row_int(rows, row, 0) - (long)n > log->end)
            log->end = row_int(rows, row, 0) - (long)n;
        if (text && n)
            added = turn_log_add_text(log, type, text, n);
    } else if (data) {
        /* The end of a lost turn lies beyond every id that its process may have given out unsaved. */
        if (row_int(rows, row, 0) > log->end)
            log->end = row_int(rows, row, 0) - 1;
        added = turn_log_add_event(log, type, data);
    }
    arena_reset(arena);
    return added == ST_OK && log->end == row_int(rows, row, 0);
}

static bool has_ended(const struct follower *follower)
{
    size_t n;
    return turn_log_last_words(&follower->audience.log, &n);
}

static void end(struct follower *follower)
{
    follower->audience.over = true;
    audience_touch(&follower->audience);
}

static void take_rows(struct follower *follower, struct db_rows *rows)
{
    for (unsigned row = 0; row < rows->count; row++)
        if (!add_row(follower, rows, row)) {
            log_event(LOG_LEVEL_ERROR, "turn_not_followed", log_str("turn", follower->audience.turn.text),
                      log_int("id", row_int(rows, row, 0)));
            audience_fail(&follower->audience, "turn_gone", "The answer cannot be followed any further.");
            return;
        }
    if (rows->count) {
        follower->news = follower->answered;
        follower->audience.visible = follower->audience.log.end;
        audience_touch(&follower->audience);
    }
    if (has_ended(follower))
        end(follower);
    else if (rows->count == ROWS_MAX)
        go_on(follower, follower->step, SAVER_NOW);
    else if (follower->step == LAST_ROWS && !follower->audience.log.end)
        go_on(follower, RETOLD, SAVER_NOW);
    else if (follower->step == LAST_ROWS || follower->step == RETOLD)
        audience_fail(&follower->audience, "interrupted", "The answer was interrupted.");
    else if (follower->answered - follower->news >= QUIET_MS)
        go_on(follower, SETTLE, SAVER_POLL);
    else
        go_on(follower, ROWS, SAVER_POLL);
}

static void take_status(struct follower *follower, struct db_rows *rows)
{
    const char *status = rows->count ? row_text(rows, 0, 1) : NULL;
    follower->news = follower->answered;
    if (!status)
        audience_fail(&follower->audience, "turn_gone", "There is no such answer any more.");
    else if (strcmp(status, "streaming") == 0)
        go_on(follower, ROWS, SAVER_NOW);
    else
        go_on(follower, row_int(rows, 0, 2) || follower->audience.log.end ? LAST_ROWS : RETOLD, SAVER_NOW);
}

static void not_answered(struct follower *follower)
{
    if (clock_monotonic_ms() - follower->answered >= GIVE_UP_MS)
        audience_fail(&follower->audience, "unavailable", "The answer cannot be read for the moment.");
    else
        saver_plan(follower->audience.relay->saver, &follower->job, SAVER_SOON);
}

static void on_answered(struct saver_job *job, struct batch_item *item)
{
    struct follower *follower = follower_of_job(job);
    audience_touch(&follower->audience);
    if (follower->audience.over)
        return;
    if (item->status != ST_OK) {
        not_answered(follower);
        return;
    }
    follower->answered = clock_monotonic_ms();
    if (follower->step == STATUS)
        take_status(follower, &item->rows);
    else if (follower->step == SETTLE)
        go_on(follower, STATUS, SAVER_NOW);
    else
        take_rows(follower, &item->rows);
}

/* --- its life --- */

static void follower_free(struct follower *follower)
{
    audience_fini(&follower->audience);
    free(follower);
}

static void on_settled(struct audience *audience)
{
    struct follower *follower = (struct follower *)audience;
    if (!audience->viewers && saver_forget(audience->relay->saver, &follower->job))
        follower_free(follower);
}

/* It runs elsewhere: who asked has stored that. */
static void on_stop(struct audience *audience)
{
    (void)audience;
}

/* The turn goes on: its viewers are let go without an end, and come back to another process. */
static void on_interrupt(struct audience *audience)
{
    end((struct follower *)audience);
}

static void on_free(struct audience *audience)
{
    struct follower *follower = (struct follower *)audience;
    (void)saver_forget(audience->relay->saver, &follower->job);
    follower_free(follower);
}

static const struct audience_kind kind = {
    .settled = on_settled, .stop = on_stop, .interrupt = on_interrupt, .free = on_free};

struct audience *follower_start(struct relay *relay, const struct handover *handover)
{
    struct follower *follower = calloc(1, sizeof(*follower));
    if (!follower)
        return NULL;
    audience_init(&follower->audience, relay, &kind, &handover->user, &handover->session, &handover->turn);
    follower->job = (struct saver_job){.user = &follower->audience.user,
                                       .session = &follower->audience.session,
                                       .ask = on_ask,
                                       .answered = on_answered};
    follower->answered = follower->news = clock_monotonic_ms();
    go_on(follower, STATUS, SAVER_NOW);
    return &follower->audience;
}
