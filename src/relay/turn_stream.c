/*
 * Turns that run.
 *
 * What must stay true: what was sent to be saved and is not known to be saved is sent again just as it was, under the
 * same ids; viewers see the event that ends a turn only when it is stored with all that stands before it, or get an
 * error that stands nowhere; once the end is decided the log does not change; what is saved at once is bounded, however
 * long the database was away, so that no turn becomes one that can never be saved, or that holds up the others.
 */
#include "relay/turn_stream.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/settings.h"
#include "db/batch.h"
#include "relay/audience.h"
#include "relay/saver.h"
#include "relay/state.h"
#include "relay/upstream.h"

#define LEASE_SECONDS "20"
#define SAVE_BYTES    4096   /* new text waits until it is so much, or a while */
#define EVENTS_MAX    100000 /* of an answer: more cannot be saved and told at a sane price */
#define TELL_MS       30000  /* an end that is not saved so long is told as such */
#define GIVE_UP_MS    300000 /* and so long is tried on */
#define WORD_MAX      128    /* of what a model server calls things */
#define TEXT_MAX      ((size_t)1 << 30)
/* At most so much is saved in one go. */
#define PART_BYTES  ((size_t)1 << 20)
#define PART_EVENTS 4096
/* The log holds the answer, and what stands around its events. */
#define LOG_FACTOR 4
#define LOG_BASE   ((size_t)64 << 10)

enum phase { RUNNING, ENDING, OVER };

/* How it ended. */
struct outcome {
    const char *status;     /* complete, stopped, failed, interrupted */
    const char *error_code; /* NULL: none */
    const char *error_message;
    unsigned retry_after;
    const char *finish_reason;
    const char *model;
    const char *tool_calls;
    bool estimated;
    int64_t prompt_tokens, completion_tokens;
};

/* What of it is kept until it is saved. */
struct ending {
    const char *status;
    bool estimated;
    int64_t prompt_tokens, completion_tokens;
    int64_t since;
    char *error_code, *finish_reason, *model, *tool_calls;
};

struct turn_stream {
    struct audience audience;
    struct saver_job job;
    struct upstream_call *call; /* NULL: ended */
    enum phase phase;
    long saved; /* events up to here are stored */
    long sent;  /* up to here they may be */
    int64_t started;
    size_t prompt_bytes;
    const char *doom; /* why it cannot go on, as a code; NULL: it can */
    const char *doom_message;
    struct uuid message;
    char *title;
    char *request;
    struct ending ending;
};

static struct turn_stream *stream_of_job(struct saver_job *job)
{
    return (struct turn_stream *)(void *)((char *)job - offsetof(struct turn_stream, job));
}

/* --- its end --- */

/* The one line a turn: nothing of what was said. */
static void log_turn(const struct turn_stream *stream, const char *saved)
{
    log_request(stream->request);
    log_event(strcmp(saved, "yes") == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "turn",
              log_str("turn", stream->audience.turn.text), log_str("user", stream->audience.user.text),
              log_str("status", stream->ending.status), log_str("code", stream->ending.error_code),
              log_str("saved", saved), log_int("ms", clock_monotonic_ms() - stream->started),
              log_int("last_id", stream->audience.log.end));
    log_request(NULL);
}

/* It ends without being saved: what the database has of it reads as interrupted when its lease is over. */
static void abandon(struct turn_stream *stream, const char *code, const char *message)
{
    if (stream->call)
        (void)upstream_cancel(stream->call);
    stream->call = NULL;
    stream->phase = OVER;
    (void)saver_forget(stream->audience.relay->saver, &stream->job);
    if (!stream->audience.over)
        audience_fail(&stream->audience, code, message);
    audience_touch(&stream->audience);
    log_turn(stream, code);
}

static void put_usage(struct json_writer *json, const struct outcome *outcome)
{
    json_write_key(json, "usage");
    json_begin_object(json);
    json_put_int(json, "prompt_tokens", outcome->prompt_tokens);
    json_put_int(json, "completion_tokens", outcome->completion_tokens);
    json_put_int(json, "total_tokens", outcome->prompt_tokens + outcome->completion_tokens);
    json_put_bool(json, "estimated", outcome->estimated);
    json_end_object(json);
}

static void put_done(struct json_writer *json, const struct turn_stream *stream, const struct outcome *outcome)
{
    json_put_text(json, "type", turn_event_name(TURN_DONE));
    json_put_text(json, "session_id", stream->audience.session.text);
    json_put_text(json, "thread_id", stream->audience.session.text);
    json_put_text(json, "turn_id", stream->audience.turn.text);
    json_put_text(json, "message_id", stream->message.text);
    json_put_text(json, "status", outcome->status);
    json_put_text(json, "finish_reason", outcome->finish_reason);
    if (outcome->tool_calls)
        json_put_raw(json, "tool_calls", outcome->tool_calls);
    put_usage(json, outcome);
    json_put_text(json, "title", stream->title);
}

static void put_error(struct json_writer *json, const struct turn_stream *stream, const struct outcome *outcome)
{
    json_put_text(json, "type", turn_event_name(TURN_ERROR));
    json_put_text(json, "code", outcome->error_code);
    json_put_text(json, "message", outcome->error_message);
    json_put_text(json, "session_id", stream->audience.session.text);
    json_put_text(json, "turn_id", stream->audience.turn.text);
    json_put_text(json, "message_id", stream->message.text);
    if (outcome->retry_after)
        json_put_int(json, "retry_after", outcome->retry_after);
}

/* The event that ends the turn, into the log; viewers do not see it yet. */
static bool add_end(struct turn_stream *stream, const struct outcome *outcome)
{
    struct arena *arena = stream->audience.relay->scratch;
    struct json_writer json;
    struct buf out;
    buf_init(&out, arena);
    json_writer_init(&json, &out);
    json_begin_object(&json);
    if (outcome->error_code)
        put_error(&json, stream, outcome);
    else
        put_done(&json, stream, outcome);
    json_end_object(&json);
    const char *text = buf_text(&out);
    enum turn_event type = outcome->error_code ? TURN_ERROR : TURN_DONE;
    bool added = text && turn_log_add_event(&stream->audience.log, type, text) == ST_OK;
    arena_reset(arena);
    return added;
}

/* What a server did not count, or counts as none where there is some, is taken as four bytes a token; of a call that
 * brought nothing nothing was used. */
static void estimate(const struct turn_stream *stream, struct outcome *outcome)
{
    const struct turn_log *log = &stream->audience.log;
    size_t bytes = 0;
    for (unsigned i = 0; i < log->segments; i++)
        if (log->segment[i].type == TURN_TOKEN || log->segment[i].type == TURN_REASONING ||
            log->segment[i].type == TURN_TOOL_CALL)
            bytes += log->segment[i].len;
    bool no_prompt = outcome->prompt_tokens <= 0, no_completion = outcome->completion_tokens <= 0;
    outcome->estimated = no_prompt || (no_completion && bytes);
    if (no_completion)
        outcome->completion_tokens = (int64_t)(bytes + 3) / 4;
    if (no_prompt && (bytes || !outcome->error_code))
        outcome->prompt_tokens = (int64_t)(stream->prompt_bytes + 3) / 4;
}

static int64_t within_integer(int64_t number)
{
    return number < 0 ? 0 : number > INT32_MAX ? INT32_MAX : number;
}

/* A copy, cut to max bytes at a whole character. NULL stays NULL. False: memory is out. */
static bool keep(char **to, const char *text, size_t max)
{
    size_t n = text ? strnlen(text, max + 1) : 0;
    if (n > max)
        for (n = max; n && ((unsigned char)text[n] & 0xC0) == 0x80;)
            n--;
    *to = text ? strndup(text, n) : NULL;
    return *to || !text;
}

static bool keep_outcome(struct turn_stream *stream, const struct outcome *outcome)
{
    struct ending *ending = &stream->ending;
    *ending = (struct ending){.status = outcome->status,
                              .estimated = outcome->estimated,
                              .prompt_tokens = outcome->prompt_tokens,
                              .completion_tokens = outcome->completion_tokens,
                              .since = clock_monotonic_ms()};
    return keep(&ending->error_code, outcome->error_code, WORD_MAX) &&
           keep(&ending->finish_reason, outcome->finish_reason, WORD_MAX) &&
           keep(&ending->model, outcome->model, WORD_MAX) && keep(&ending->tool_calls, outcome->tool_calls, TEXT_MAX);
}

/* The end is decided: it goes to be saved at once. */
static void finish(struct turn_stream *stream, struct outcome *outcome)
{
    stream->call = NULL;
    estimate(stream, outcome);
    outcome->prompt_tokens = within_integer(outcome->prompt_tokens);
    outcome->completion_tokens = within_integer(outcome->completion_tokens);
    bool kept = keep_outcome(stream, outcome);
    outcome->finish_reason = stream->ending.finish_reason;
    if (!kept || !add_end(stream, outcome)) {
        abandon(stream, "overloaded", "There was no memory to end the answer.");
        return;
    }
    stream->phase = ENDING;
    saver_plan(stream->audience.relay->saver, &stream->job, SAVER_NOW);
}

/* Ends a call that goes on: the text so far is kept. */
static void cut_short(struct turn_stream *stream, struct outcome *outcome)
{
    if (stream->phase != RUNNING)
        return;
    if (stream->call)
        outcome->tool_calls = upstream_cancel(stream->call);
    finish(stream, outcome);
}

static void on_stop(struct audience *audience)
{
    cut_short((struct turn_stream *)audience, &(struct outcome){.status = "stopped", .finish_reason = "stopped"});
}

static void on_interrupt(struct audience *audience)
{
    cut_short((struct turn_stream *)audience,
              &(struct outcome){.status = "interrupted",
                                .finish_reason = "interrupted",
                                .error_code = "interrupted",
                                .error_message = "The server ended before the answer was complete."});
}

static void fail(struct turn_stream *stream, const char *code, const char *message)
{
    cut_short(stream, &(struct outcome){.status = "failed", .error_code = code, .error_message = message});
}

/* --- what the model says --- */

/* It cannot go on. The call is in the middle of telling and is cancelled when the stream is settled; what it tells
 * until then is let go. */
static void doom(struct turn_stream *stream, const char *code, const char *message)
{
    stream->doom = code;
    stream->doom_message = message;
}

/* Viewers are told in this round; it is saved a little later. */
static void note_new(struct turn_stream *stream, enum status added)
{
    struct turn_log *log = &stream->audience.log;
    size_t max = LOG_BASE + LOG_FACTOR * (size_t)stream->audience.relay->settings->max_answer_bytes;
    stream->audience.visible = log->end;
    audience_touch(&stream->audience);
    bool much = log->end - stream->saved >= SAVE_BYTES && stream->sent == stream->saved;
    saver_plan(stream->audience.relay->saver, &stream->job, much ? SAVER_NOW : SAVER_SOON);
    if (added != ST_OK)
        doom(stream, "overloaded", "There was no memory for the rest of the answer.");
    else if (log->text_len + log->segments * sizeof(*log->segment) > max || log->segments > EVENTS_MAX)
        doom(stream, "answer_too_long", "The answer was longer than is allowed.");
}

static void on_token(void *owner, const char *text, size_t n)
{
    struct turn_stream *stream = owner;
    if (!stream->doom)
        note_new(stream, turn_log_add_text(&stream->audience.log, TURN_TOKEN, text, n));
}

static void on_reasoning(void *owner, const char *text, size_t n)
{
    struct turn_stream *stream = owner;
    if (!stream->doom)
        note_new(stream, turn_log_add_text(&stream->audience.log, TURN_REASONING, text, n));
}

/* The piece is an object with an index at least: its members go behind the type. */
static void on_tool_call(void *owner, const char *json)
{
    struct turn_stream *stream = owner;
    struct arena *arena = stream->audience.relay->scratch;
    if (stream->doom)
        return;
    const char *event = arena_printf(arena, "{\"type\":\"tool_call\",%s", json + 1);
    enum status added = event ? turn_log_add_event(&stream->audience.log, TURN_TOOL_CALL, event) : ST_UNAVAILABLE;
    arena_reset(arena);
    note_new(stream, added);
}

static void on_end(void *owner, const struct upstream_end *end)
{
    struct turn_stream *stream = owner;
    stream->call = NULL;
    if (stream->doom) {
        fail(stream, stream->doom, stream->doom_message);
        return;
    }
    struct outcome outcome = {
        .status = end->complete ? "complete" : "failed",
        .error_code = end->complete ? NULL : end->error_code,
        .error_message = end->complete ? NULL : end->error_message,
        .retry_after = end->complete ? 0 : end->retry_after,
        .finish_reason = end->finish_reason,
        .model = end->model,
        .tool_calls = end->tool_calls,
        .prompt_tokens = end->has_usage ? end->prompt_tokens : 0,
        .completion_tokens = end->has_usage ? end->completion_tokens : 0,
    };
    finish(stream, &outcome);
}

static const struct upstream_events events = {
    .token = on_token, .reasoning = on_reasoning, .tool_call = on_tool_call, .end = on_end};

/* --- saving --- */

static long reach(const struct turn_stream *stream, long after)
{
    return turn_log_reach(&stream->audience.log, after, PART_EVENTS, PART_BYTES);
}

/* Whether the end can go with all that is not stored yet, or parts of that have to go first. */
static bool is_end_near(const struct turn_stream *stream)
{
    return stream->phase == ENDING && reach(stream, stream->sent) == stream->audience.log.end;
}

/* What is new with the lease; what was sent before and is not known to be stored goes again as it was, alone. */
static bool ask_checkpoint(struct turn_stream *stream, struct batch_item *item, struct arena *arena)
{
    struct turn_log *log = &stream->audience.log;
    if (stream->sent == stream->saved)
        stream->sent = reach(stream, stream->saved);
    const char *rows = NULL;
    if (stream->sent > stream->saved) {
        struct buf out;
        buf_init(&out, arena);
        turn_log_write_rows(log, stream->saved, 0, stream->sent, &out);
        rows = buf_text(&out);
        if (!rows)
            return false;
    }
    item->query = QUERY_TURN_CHECKPOINT;
    item->params = 4;
    item->param[0] = stream->audience.user.text;
    item->param[1] = stream->audience.turn.text;
    item->param[2] = rows;
    item->param[3] = LEASE_SECONDS;
    return true;
}

static bool ask_finish(struct turn_stream *stream, struct batch_item *item, struct arena *arena)
{
    struct turn_log *log = &stream->audience.log;
    const struct ending *ending = &stream->ending;
    struct buf rows, content;
    buf_init(&rows, arena);
    buf_init(&content, arena);
    turn_log_write_rows(log, stream->saved, stream->sent, log->end, &rows);
    turn_log_text(log, TURN_TOKEN, &content);
    const char *params[] = {
        stream->audience.user.text,
        stream->audience.turn.text,
        buf_text(&rows),
        ending->status,
        buf_text(&content),
        ending->tool_calls,
        ending->finish_reason,
        ending->error_code,
        ending->model,
        arena_printf(arena, "%lld", (long long)ending->prompt_tokens),
        arena_printf(arena, "%lld", (long long)ending->completion_tokens),
        ending->estimated ? "true" : "false",
    };
    item->query = QUERY_TURN_FINISH;
    item->params = sizeof(params) / sizeof(params[0]);
    memcpy(item->param, params, sizeof(params));
    return params[2] && params[4] && params[9] && params[10];
}

static bool on_ask(struct saver_job *job, struct batch_item *item, struct arena *arena)
{
    struct turn_stream *stream = stream_of_job(job);
    return is_end_near(stream) ? ask_finish(stream, item, arena) : ask_checkpoint(stream, item, arena);
}

static void plan_next(struct turn_stream *stream)
{
    long fresh = stream->audience.log.end - stream->saved;
    enum saver_wait wait = !fresh ? SAVER_IDLE : fresh < SAVE_BYTES ? SAVER_SOON : SAVER_NOW;
    saver_plan(stream->audience.relay->saver, &stream->job, stream->phase == ENDING ? SAVER_NOW : wait);
}

/* The turn may have ended while it was under way. */
static void checkpoint_answered(struct turn_stream *stream, const char *word)
{
    stream->saved = stream->sent;
    stream->ending.since = clock_monotonic_ms();
    if (strcmp(word, "gone") == 0) {
        abandon(stream, "turn_gone", "The answer was ended elsewhere, or its session removed.");
        return;
    }
    if (strcmp(word, "stop") == 0)
        on_stop(&stream->audience);
    if (stream->phase != OVER)
        plan_next(stream);
}

static void finish_answered(struct turn_stream *stream, const char *word)
{
    if (strcmp(word, "gone") == 0) {
        abandon(stream, "turn_gone", "The answer was ended elsewhere, or its session removed.");
        return;
    }
    stream->phase = OVER;
    stream->saved = stream->sent = stream->audience.log.end;
    /* Whoever comes after it was told as not saved is told better. */
    free(stream->audience.last_words);
    stream->audience.last_words = NULL;
    stream->audience.visible = stream->audience.log.end;
    stream->audience.over = true;
    audience_touch(&stream->audience);
    log_turn(stream, "yes");
}

/* Nothing is known of what was sent: it goes again, and whoever waits for the end is told after a while. */
static void not_answered(struct turn_stream *stream)
{
    int64_t waited = stream->phase == ENDING ? clock_monotonic_ms() - stream->ending.since : 0;
    if (waited >= TELL_MS && !stream->audience.over)
        audience_fail(&stream->audience, "not_saved", "The answer could not be saved.");
    if (waited >= GIVE_UP_MS)
        abandon(stream, "not_saved", "The answer could not be saved.");
    else
        saver_plan(stream->audience.relay->saver, &stream->job, SAVER_SOON);
}

static void on_answered(struct saver_job *job, struct batch_item *item)
{
    struct turn_stream *stream = stream_of_job(job);
    bool answered = item->status == ST_OK && item->rows.count == 1 && !row_is_null(&item->rows, 0, 0);
    if (stream->phase == OVER)
        audience_touch(&stream->audience);
    else if (!answered)
        not_answered(stream);
    else if (item->query == QUERY_TURN_FINISH)
        finish_answered(stream, row_text(&item->rows, 0, 0));
    else
        checkpoint_answered(stream, row_text(&item->rows, 0, 0));
}

/* --- its life --- */

static void stream_free(struct turn_stream *stream)
{
    if (stream->call)
        (void)upstream_cancel(stream->call);
    audience_fini(&stream->audience);
    free(stream->title);
    free(stream->request);
    free(stream->ending.error_code);
    free(stream->ending.finish_reason);
    free(stream->ending.model);
    free(stream->ending.tool_calls);
    free(stream);
}

static void on_settled(struct audience *audience)
{
    struct turn_stream *stream = (struct turn_stream *)audience;
    if (stream->doom)
        fail(stream, stream->doom, stream->doom_message);
    if (stream->phase == OVER && !audience->viewers && saver_forget(audience->relay->saver, &stream->job))
        stream_free(stream);
}

static void on_free(struct audience *audience)
{
    struct turn_stream *stream = (struct turn_stream *)audience;
    (void)saver_forget(audience->relay->saver, &stream->job);
    stream_free(stream);
}

static const struct audience_kind kind = {
    .settled = on_settled, .stop = on_stop, .interrupt = on_interrupt, .free = on_free};

static bool add_session_event(struct turn_stream *stream, const struct handover *handover)
{
    struct arena *arena = stream->audience.relay->scratch;
    struct json_writer json;
    struct buf out;
    buf_init(&out, arena);
    json_writer_init(&json, &out);
    json_begin_object(&json);
    json_put_text(&json, "type", turn_event_name(TURN_SESSION));
    json_put_text(&json, "session_id", handover->session.text);
    json_put_text(&json, "turn_id", handover->turn.text);
    json_put_text(&json, "message_id", handover->message.text);
    json_put_text(&json, "user_message_id", handover->user_message.text);
    json_put_text(&json, "title", handover->title);
    json_put_bool(&json, "created", handover->created);
    json_end_object(&json);
    const char *text = buf_text(&out);
    bool added = text && turn_log_add_event(&stream->audience.log, TURN_SESSION, text) == ST_OK;
    arena_reset(arena);
    stream->audience.visible = stream->audience.log.end;
    return added;
}

struct audience *turn_stream_start(struct relay *relay, const struct handover *handover, bool overloaded)
{
    struct turn_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    audience_init(&stream->audience, relay, &kind, &handover->user, &handover->session, &handover->turn);
    stream->job = (struct saver_job){
        .user = &stream->audience.user, .session = &stream->audience.session, .ask = on_ask, .answered = on_answered};
    stream->started = clock_monotonic_ms();
    stream->prompt_bytes = strlen(handover->messages);
    stream->message = handover->message;
    if (!keep(&stream->title, handover->title, TEXT_MAX) || !keep(&stream->request, handover->request, WORD_MAX) ||
        !add_session_event(stream, handover)) {
        stream_free(stream);
        return NULL;
    }
    audience_touch(&stream->audience);
    saver_plan(relay->saver, &stream->job, SAVER_SOON);
    if (!overloaded)
        stream->call = upstream_start(relay->upstream, handover->model, handover->messages, &events, stream);
    if (!stream->call)
        fail(stream, "overloaded", "Too many answers are being written; try again in a moment.");
    return &stream->audience;
}
