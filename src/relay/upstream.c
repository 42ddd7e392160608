/*
 * Asking a model server for an answer, streamed: the course of a call, with its deadlines and its retries.
 *
 * What must stay true:
 * - A call begins in the loop, never inside upstream_start, and ends once.
 * - The one timer of a call is moved only when a deadline comes nearer, and looks at the real one when it rings, so
 * that a chunk costs no work on the heap.
 * - The request's body, which may be long, is given back with the first delta: from there on nothing is asked again.
 */
#include "relay/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/settings.h"
#include "relay/echo.h"
#include "relay/loop.h"
#include "relay/model_failure.h"
#include "relay/model_request.h"
#include "relay/model_stream.h"
#include "relay/transfer.h"

#define ARENA_CAP   ((size_t)32 * 1024 * 1024) /* for one event of an answer */
#define REFUSAL_MAX ((size_t)64 * 1024)        /* read of the body of an error */
#define RETRY_MS    300                        /* before the one retry */
/* From the finish_reason to the usage and [DONE]. Only the rare server that then neither says [DONE] nor ends costs its
 * readers so long, who have the whole text; what a gateway counts late would otherwise be guessed. */
#define TAIL_MS  5000
#define DONE_MS  100 /* from [DONE] to the end of the body */
#define NO_USAGE 16  /* models that are remembered for it */

struct upstream {
    struct loop *loop;
    const struct settings *settings;
    struct transfers *transfers; /* NULL: the echo model answers */
    struct arena *scratch;       /* of one event, of the end, or of a request being made */
    struct arena *kept;          /* of what upstream_cancel gives */
    /* Hashes of the last models for which the wish for usage was refused, and that answered without; 0: none. Behind
     * one address there may be servers of many kinds. */
    uint64_t no_usage[NO_USAGE];
    unsigned no_usage_next;
    struct upstream_call *calls;
};

enum phase {
    PHASE_WAITING, /* to ask, or to ask again */
    PHASE_CONNECTING,
    PHASE_ASKED,
    PHASE_ANSWERING,
};

struct upstream_call {
    struct upstream *upstream;
    struct upstream_call *next, **link; /* in upstream->calls */
    struct upstream_events events;
    void *owner;
    struct echo *echo;
    bool inside; /* the stream tells something: it must not go now */
    bool dead;   /* no event any more */

    struct transfer *transfer;
    struct model_request request;
    struct model_stream *stream;
    uint64_t model; /* hash of its name */
    bool retried, without_usage;

    enum phase phase;
    struct loop_timer timer;
    int64_t due, total_at;

    long status;   /* of the answer; 0: none came */
    char *refusal; /* the body of an error */
    size_t refusal_len;
};

/* --- deadlines --- */

/* Sets the deadline of what is awaited now. False: memory is out, which cannot be while the timer is set. */
static bool set_due(struct upstream_call *call, int64_t at)
{
    call->due = at < call->total_at ? at : call->total_at;
    if (call->timer.index && call->timer.at <= call->due)
        return true;
    return loop_set_timer(call->upstream->loop, &call->timer, call->due);
}

static bool set_due_in(struct upstream_call *call, int64_t ms)
{
    return set_due(call, clock_monotonic_ms() + ms);
}

/* --- the end of a call --- */

static void drop_transfer(struct upstream_call *call)
{
    if (call->transfer)
        transfer_stop(call->transfer);
    call->transfer = NULL;
}

static void drop_answer(struct upstream_call *call)
{
    model_stream_free(call->stream);
    free(call->refusal);
    call->stream = NULL;
    call->refusal = NULL;
    call->refusal_len = 0;
    call->status = 0;
}

static void call_free(struct upstream_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    (void)loop_set_timer(call->upstream->loop, &call->timer, INT64_MAX);
    echo_free(call->echo);
    drop_transfer(call);
    drop_answer(call);
    model_request_fini(&call->request);
    free(call);
}

/* Tells the end and frees the call. */
static void tell_end(struct upstream_call *call, const struct upstream_end *end)
{
    if (end->error_code)
        log_event(LOG_LEVEL_WARN, "model_failed", log_str("code", end->error_code), log_int("status", call->status));
    call->dead = true;
    call->events.end(call->owner, end);
    call_free(call);
}

/* What came of the answer; its texts live until the scratch arena is used again. */
static enum model_failure read_result(struct upstream_call *call, struct upstream_end *end)
{
    arena_reset(call->upstream->scratch);
    *end = (struct upstream_end){0};
    return call->stream ? model_stream_result(call->stream, call->upstream->scratch, end) : MODEL_OK;
}

/* Ends a call; failure: what to say where the answer itself is neither complete nor wrong. */
static void end_with(struct upstream_call *call, enum model_failure failure, unsigned retry_after)
{
    struct upstream_end end;
    enum model_failure own = read_result(call, &end);
    if (own || !end.complete) {
        end.error_code = model_failure_code(own ? own : failure);
        end.error_message = model_failure_message(own ? own : failure);
        end.retry_after = retry_after;
    }
    drop_transfer(call);
    tell_end(call, &end);
}

/* Behind what the stream has told. False: the owner cancelled on it, and the call is gone. */
static bool leave_stream(struct upstream_call *call)
{
    call->inside = false;
    if (call->dead) {
        call_free(call);
        return false;
    }
    return true;
}

static bool is_answer(const struct upstream_call *call)
{
    return call->status >= 200 && call->status < 300;
}

/* Lets the stream tell what is left in it. False as above. */
static bool finish_stream(struct upstream_call *call, bool whole)
{
    if (!call->stream || !is_answer(call))
        return true;
    call->inside = true;
    model_stream_finish(call->stream, whole);
    return leave_stream(call);
}

/* --- what the transfer tells --- */

/* A second time in one transfer is a retry too: the server may have seen the first. */
static bool on_asked(void *owner)
{
    struct upstream_call *call = owner;
    if (call->phase == PHASE_ASKED) {
        if (call->retried)
            return false;
        call->retried = true;
    }
    call->phase = PHASE_ASKED;
    return set_due_in(call, call->upstream->settings->model_first_byte_ms);
}

/* Keeps the body of an error, up to a bound. */
static bool take_refusal(struct upstream_call *call, const char *bytes, size_t n)
{
    char *refusal = n > REFUSAL_MAX - call->refusal_len ? NULL : realloc(call->refusal, call->refusal_len + n + 1);
    if (!refusal)
        return false;
    memcpy(refusal + call->refusal_len, bytes, n);
    call->refusal = refusal;
    call->refusal_len += n;
    return true;
}

static bool on_body(void *owner, long status, const char *bytes, size_t n)
{
    struct upstream_call *call = owner;
    call->status = status;
    call->phase = PHASE_ANSWERING;
    (void)set_due_in(call, call->upstream->settings->model_idle_ms);
    if (!is_answer(call))
        return take_refusal(call, bytes, n);
    call->inside = true;
    bool more = model_stream_feed(call->stream, bytes, n);
    if (!leave_stream(call) || !more)
        return false;
    if (call->request.body && model_stream_has_begun(call->stream) && transfer_is_sent(call->transfer))
        model_request_fini(&call->request);
    if (model_stream_is_complete(call->stream))
        (void)set_due_in(call, model_stream_is_done(call->stream) ? DONE_MS : TAIL_MS);
    return true;
}

/* Asks again after a while. */
static void ask_again(struct upstream_call *call, int ms)
{
    log_event(LOG_LEVEL_INFO, "model_asked_again", log_int("status", call->status),
              log_str("usage", call->without_usage ? "refused" : "wanted"));
    call->phase = PHASE_WAITING;
    if (!set_due_in(call, ms))
        end_with(call, MODEL_NO_MEMORY, 0);
}

static bool is_without_usage(const struct upstream *upstream, uint64_t model)
{
    for (unsigned i = 0; i < NO_USAGE; i++)
        if (upstream->no_usage[i] == model)
            return true;
    return false;
}

static void note_without_usage(struct upstream *upstream, uint64_t model)
{
    if (!is_without_usage(upstream, model))
        upstream->no_usage[upstream->no_usage_next++ % NO_USAGE] = model;
}

/* Whether the wish for usage is what the server refuses. */
static bool is_usage_refused(const struct upstream_call *call)
{
    return call->request.body && !call->without_usage &&
           model_failure_is_of_usage(call->status, call->refusal, call->refusal_len);
}

/* Whether one more try is due: nothing has been told yet, and the failure may pass. */
static bool is_worth_retry(const struct upstream_call *call, enum transfer_how how)
{
    if (call->retried || !call->request.body || model_stream_has_begun(call->stream))
        return false;
    if (call->status && !is_answer(call))
        return model_failure_may_pass(call->status);
    return how == TRANSFER_BROKEN || how == TRANSFER_WHOLE;
}

/* How a call failed whose answer was neither complete nor wrong in itself. */
static enum model_failure judge(const struct upstream_call *call, enum transfer_how how)
{
    if (how == TRANSFER_UNREADABLE)
        return MODEL_GARBLED;
    if (call->status && !is_answer(call))
        return model_failure_of_status(call->status, call->refusal, call->refusal_len);
    if (how == TRANSFER_UNPROVEN)
        return MODEL_UNPROVEN;
    return call->status ? MODEL_CUT : MODEL_UNREACHABLE;
}

static void on_over(void *owner, const struct transfer_end *transfer_end)
{
    struct upstream_call *call = owner;
    struct upstream_end end;
    call->transfer = NULL;
    call->status = transfer_end->status;
    if (!finish_stream(call, transfer_end->how == TRANSFER_WHOLE))
        return;
    bool settled = read_result(call, &end) || end.complete;
    if (!settled && is_usage_refused(call)) {
        call->without_usage = true;
        model_request_leave_out_usage(&call->request);
        ask_again(call, 0);
    } else if (!settled && is_worth_retry(call, transfer_end->how)) {
        call->retried = true;
        ask_again(call, RETRY_MS);
    } else {
        if (call->without_usage && is_answer(call))
            note_without_usage(call->upstream, call->model);
        end_with(call, judge(call, transfer_end->how), transfer_end->retry_after);
    }
}

static const struct transfer_events transfer_events = {.asked = on_asked, .body = on_body, .over = on_over};

/* --- the course of a call --- */

static void ask(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;
    const struct settings *settings = upstream->settings;
    drop_answer(call);
    call->phase = PHASE_CONNECTING;
    call->stream = model_stream_new(&call->events, call->owner, upstream->scratch, (size_t)settings->max_answer_bytes);
    if (call->stream && set_due_in(call, settings->model_connect_ms))
        call->transfer =
            transfer_start(upstream->transfers, call->request.body, call->request.len, &transfer_events, call);
    if (!call->transfer)
        end_with(call, MODEL_NO_MEMORY, 0);
}

/* What a deadline that has passed means. */
static enum model_failure judge_delay(const struct upstream_call *call)
{
    if (call->due >= call->total_at)
        return MODEL_SLOW;
    if (call->phase == PHASE_CONNECTING)
        return MODEL_UNREACHABLE;
    return call->phase == PHASE_ASKED ? MODEL_SILENT : MODEL_STALLED;
}

static void on_due(struct loop_timer *timer)
{
    struct upstream_call *call = (struct upstream_call *)((char *)timer - offsetof(struct upstream_call, timer));
    if (clock_monotonic_ms() < call->due) {
        if (!set_due(call, call->due))
            end_with(call, MODEL_NO_MEMORY, 0);
        return;
    }
    if (call->phase == PHASE_WAITING && call->due < call->total_at) {
        ask(call);
    } else if (call->phase == PHASE_CONNECTING && call->due < call->total_at && !call->retried) {
        drop_transfer(call);
        call->retried = true;
        ask_again(call, RETRY_MS);
    } else if (finish_stream(call, false)) {
        end_with(call, judge_delay(call), 0);
    }
}

/* --- the echo model, in the clothes of a call --- */

static void on_echo_token(void *owner, const char *text, size_t n)
{
    struct upstream_call *call = owner;
    call->events.token(call->owner, text, n);
}

static void on_echo_end(void *owner, const struct upstream_end *end)
{
    tell_end(owner, end);
}

static const struct upstream_events echo_events = {.token = on_echo_token, .end = on_echo_end};

/* --- for everybody --- */

/* The transfers to the configured server. A key that cannot be read is told in the log; then the server refuses, and
 * every caller learns of that. */
static struct transfers *make_transfers(struct loop *loop, const struct settings *settings)
{
    char key[MODEL_KEY_MAX];
    bool has_key = *settings->model_key_file && model_request_read_key(settings->model_key_file, key);
    char *url = model_request_url(settings->model_url);
    struct transfers *transfers = url ? transfers_new(loop, url, has_key ? key : NULL) : NULL;
    crypto_wipe(key, sizeof(key));
    free(url);
    return transfers;
}

struct upstream *upstream_new(struct loop *loop, const struct settings *settings)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    if (!upstream)
        return NULL;
    upstream->loop = loop;
    upstream->settings = settings;
    upstream->scratch = arena_new(ARENA_CAP);
    upstream->kept = arena_new(ARENA_CAP);
    if (*settings->model_url)
        upstream->transfers = make_transfers(loop, settings);
    if (upstream->scratch && upstream->kept && (upstream->transfers || !*settings->model_url))
        return upstream;
    upstream_free(upstream);
    return NULL;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    while (upstream->calls)
        call_free(upstream->calls);
    transfers_free(upstream->transfers);
    arena_free(upstream->scratch);
    arena_free(upstream->kept);
    free(upstream);
}

/* Prepares the question; the loop asks it. */
static bool prepare(struct upstream_call *call, const char *model, const char *messages)
{
    struct upstream *upstream = call->upstream;
    int64_t now = clock_monotonic_ms();
    if (!upstream->transfers) {
        call->echo = echo_start(upstream->loop, messages, &echo_events, call);
        return call->echo != NULL;
    }
    if (!model)
        model = upstream->settings->model_name;
    if (!model_request_init(&call->request, upstream->scratch, model, messages))
        return false;
    call->model = hash_xxh64(model, strlen(model));
    call->without_usage = is_without_usage(upstream, call->model);
    if (call->without_usage)
        model_request_leave_out_usage(&call->request);
    call->total_at = now + upstream->settings->model_total_ms;
    return set_due(call, now);
}

struct upstream_call *upstream_start(struct upstream *upstream, const char *model, const char *messages,
                                     const struct upstream_events *events, void *owner)
{
    struct upstream_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    *call = (struct upstream_call){
        .upstream = upstream, .next = upstream->calls, .link = &upstream->calls, .events = *events, .owner = owner};
    call->timer = (struct loop_timer){.at = INT64_MAX, .ring = on_due};
    if (call->next)
        call->next->link = &call->next;
    upstream->calls = call;
    if (prepare(call, model, messages))
        return call;
    call_free(call);
    return NULL;
}

const char *upstream_cancel(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;
    if (call->dead)
        return NULL;
    arena_reset(upstream->kept);
    const char *tools = call->stream ? model_stream_tools(call->stream, upstream->kept) : NULL;
    call->dead = true;
    if (call->inside)
        model_stream_stop(call->stream);
    else
        call_free(call);
    return tools;
}
