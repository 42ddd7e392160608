/*
 * Clients that watch a turn.
 *
 * What must stay true: what was made for the socket and not taken by it (`rest`) goes out before anything else is made;
 * nothing here waits; after END_REQUEST nothing is sent.
 */
#include "relay/viewer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "http/record.h"
#include "relay/answer.h"
#include "relay/audience.h"
#include "relay/frames.h"
#include "relay/loop.h"
#include "relay/state.h"

#define CHUNK         4096 /* text made for the socket in one go */
#define RECORD_MAX    65528
#define KEEP_ALIVE_MS 15000
#define STALL_MS      30000
#define LEFTOVER_MAX  65536

struct viewer {
    struct loop_watch watch;
    struct loop_timer timer;
    struct audience *audience;
    struct viewer *next, *previous;
    char *headers; /* lines of the answer; NULL once they were sent */
    char *request; /* its id, behind the lines in the same memory; NULL: none */
    char *thread;  /* what its form calls the session; NULL: nothing */
    char *rest;    /* what the socket did not take yet; NULL: it took all */
    size_t rest_len, rest_at;
    int64_t last_out; /* when it last took something */
    long id_base, seen;
    unsigned request_id;
    enum viewer_form form;
    bool thread_twice;
    bool started; /* the header block was made */
    bool ended;   /* END_REQUEST was made */
    bool gone;
};

static const char events_headers[] = "Status: 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                                     "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n";
/* Without an empty line behind it: some clients would take that for an event. */
static const char keep_alive[] = ": keep-alive\n";

/* Closes a connection. What its peer said that nobody reads is taken first: a close over it would be a reset. */
static void close_connection(int fd)
{
    char leftover[4096];
    for (size_t taken = 0; taken < LEFTOVER_MAX; taken += sizeof(leftover))
        if (recv(fd, leftover, sizeof(leftover), MSG_DONTWAIT) <= 0)
            break;
    close(fd);
}

/* --- sending --- */

/* The bytes as FCGI_STDOUT records; with `end` the end of the stream and of the request behind them. Without padding:
 * nginx passes a header block on at once when not a byte follows it, else with the first event, which may be long in
 * coming. */
static void frame(struct buf *out, unsigned request_id, const struct buf *body, bool end)
{
    for (size_t at = 0, n; at < body->len; at += n) {
        n = body->len - at < RECORD_MAX ? body->len - at : RECORD_MAX;
        FCGI_Header header = record_header(FCGI_STDOUT, request_id, (unsigned)n);
        header.paddingLength = 0;
        buf_add(out, &header, sizeof(header));
        buf_add(out, body->data + at, n);
    }
    if (end) {
        FCGI_Header header = record_header(FCGI_STDOUT, request_id, 0);
        FCGI_EndRequestRecord request = {.header =
                                             record_header(FCGI_END_REQUEST, request_id, sizeof(FCGI_EndRequestBody)),
                                         .body = {.protocolStatus = FCGI_REQUEST_COMPLETE}};
        buf_add(out, &header, sizeof(header));
        buf_add(out, &request, sizeof(request));
    }
    if (body->failed)
        out->failed = true;
}

/* Gives the socket what it takes; answers how much. */
static size_t offer(struct viewer *viewer, const char *bytes, size_t n)
{
    size_t taken = 0;
    while (taken < n) {
        ssize_t sent = send(viewer->watch.fd, bytes + taken, n - taken, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            taken += (size_t)sent;
        else if (errno != EINTR) {
            viewer->gone = errno != EAGAIN;
            break;
        }
    }
    if (taken)
        viewer->last_out = clock_monotonic_ms();
    return taken;
}

static void watch_for(struct viewer *viewer, uint32_t events)
{
    if (!loop_watch(viewer->audience->relay->loop, &viewer->watch, events))
        viewer->gone = true;
}

/* Sends body (and the end), keeping what the socket does not take. The scratch arena is reset: body is gone then. */
static void put(struct viewer *viewer, struct buf *body, bool end)
{
    struct arena *arena = viewer->audience->relay->scratch;
    struct buf out;
    buf_init(&out, arena);
    frame(&out, viewer->request_id, body, end);
    size_t taken = out.failed ? 0 : offer(viewer, out.data, out.len);
    if (out.failed)
        viewer->gone = true;
    else if (taken < out.len && !viewer->gone) {
        viewer->rest_len = out.len - taken;
        viewer->rest_at = 0;
        viewer->last_out = clock_monotonic_ms();
        viewer->rest = malloc(viewer->rest_len);
        if (viewer->rest)
            memcpy(viewer->rest, out.data + taken, viewer->rest_len);
        else
            viewer->gone = true;
        watch_for(viewer, EPOLLOUT | EPOLLRDHUP);
    }
    viewer->ended = end;
    arena_reset(arena);
}

static void put_rest(struct viewer *viewer)
{
    viewer->rest_at += offer(viewer, viewer->rest + viewer->rest_at, viewer->rest_len - viewer->rest_at);
    if (viewer->rest_at < viewer->rest_len)
        return;
    free(viewer->rest);
    viewer->rest = NULL;
    watch_for(viewer, EPOLLRDHUP);
}

/* --- what is sent --- */

static void begin_events(struct viewer *viewer, struct buf *out)
{
    if (viewer->started)
        return;
    viewer->started = true;
    buf_add(out, events_headers, sizeof(events_headers) - 1);
    buf_add_text(out, viewer->headers);
    buf_add_text(out, "\r\n");
    free(viewer->headers);
    viewer->headers = viewer->request = NULL;
}

/* Whether it is told as things happen, not once at the end. */
static bool is_streamed(const struct viewer *viewer)
{
    return viewer->form == VIEWER_EVENTS || viewer->form == VIEWER_FRAMES;
}

/* What it has not seen, in its form. */
static void write_chunk(struct viewer *viewer, struct buf *body)
{
    const struct audience *audience = viewer->audience;
    const struct frames frames = {.thread = viewer->thread, .twice = viewer->thread_twice};
    if (viewer->form == VIEWER_FRAMES)
        viewer->seen =
            turn_log_write(&audience->log, viewer->seen, audience->visible, CHUNK, frames_write, &frames, body);
    else
        viewer->seen =
            turn_log_write_sse(&audience->log, viewer->id_base, viewer->seen, audience->visible, CHUNK, body);
}

/* The end that stands behind the log. */
static void write_last_words(const struct viewer *viewer, struct buf *body)
{
    const char *words = viewer->audience->last_words;
    const struct turn_piece piece = {.type = TURN_ERROR, .text = words, .len = strlen(words)};
    if (viewer->form == VIEWER_FRAMES) {
        (void)frames_write(&piece, NULL, body);
        return;
    }
    buf_add_text(body, "data: ");
    buf_add_text(body, words);
    buf_add_text(body, "\n\n");
}

/* One chunk of what is new; false: nothing is. */
static bool push_chunk(struct viewer *viewer)
{
    struct audience *audience = viewer->audience;
    struct buf body;
    buf_init(&body, audience->relay->scratch);
    begin_events(viewer, &body);
    /* Who claims to have seen more than there ever was is told the end at least. */
    if (audience->over && viewer->seen > audience->visible)
        viewer->seen = audience->visible - 1;
    if (viewer->seen < audience->visible)
        write_chunk(viewer, &body);
    bool end = audience->over && viewer->seen >= audience->visible;
    if (end && audience->last_words)
        write_last_words(viewer, &body);
    if (!body.len && !body.failed && !end)
        return false;
    put(viewer, &body, end);
    return true;
}

static void push_answer(struct viewer *viewer)
{
    struct audience *audience = viewer->audience;
    if (!audience->over)
        return;
    struct buf body;
    buf_init(&body, audience->relay->scratch);
    viewer->started = true;
    const char *thread = viewer->form == VIEWER_REPLY ? viewer->thread : NULL;
    answer_write(audience, thread, viewer->headers, viewer->request, audience->relay->scratch, &body);
    put(viewer, &body, true);
}

static bool is_free_to_send(const struct viewer *viewer)
{
    return !viewer->rest && !viewer->ended && !viewer->gone;
}

void viewer_push(struct viewer *viewer)
{
    if (!is_streamed(viewer) && is_free_to_send(viewer))
        push_answer(viewer);
    while (is_streamed(viewer) && is_free_to_send(viewer))
        if (!push_chunk(viewer))
            break;
    if (viewer->gone || (viewer->ended && !viewer->rest))
        viewer_free(viewer);
}

/* --- what happens to it --- */

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct viewer *viewer = (struct viewer *)watch;
    if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
        viewer_free(viewer);
        return;
    }
    if (viewer->rest)
        put_rest(viewer);
    viewer_push(viewer);
}

static struct viewer *viewer_of_timer(struct loop_timer *timer)
{
    return (struct viewer *)(void *)((char *)timer - offsetof(struct viewer, timer));
}

/* Rings at most every 15 s and looks how long the last output is ago, so that output itself moves no timer. */
static void on_timer(struct loop_timer *timer)
{
    struct viewer *viewer = viewer_of_timer(timer);
    int64_t now = clock_monotonic_ms();
    if (viewer->rest && now - viewer->last_out >= STALL_MS)
        viewer->gone = true;
    if (!viewer->rest && now - viewer->last_out >= KEEP_ALIVE_MS && is_streamed(viewer) && viewer->started) {
        struct buf body;
        buf_init(&body, viewer->audience->relay->scratch);
        buf_add_text(&body, keep_alive);
        put(viewer, &body, false);
    }
    int64_t at = viewer->last_out + (viewer->rest ? STALL_MS : KEEP_ALIVE_MS);
    if (at <= now)
        at = now + KEEP_ALIVE_MS;
    if (viewer->gone || !loop_set_timer(viewer->audience->relay->loop, timer, at))
        viewer_free(viewer);
}

/* --- its life --- */

static bool keep_texts(struct viewer *viewer, const struct handover *handover)
{
    const char *headers = handover->headers ? handover->headers : "";
    size_t headers_size = strlen(headers) + 1;
    size_t request_size = handover->request ? strlen(handover->request) + 1 : 0;
    viewer->headers = malloc(headers_size + request_size);
    if (!viewer->headers)
        return false;
    memcpy(viewer->headers, headers, headers_size);
    if (request_size)
        viewer->request = memcpy(viewer->headers + headers_size, handover->request, request_size);
    viewer->thread = handover->thread ? strdup(handover->thread) : NULL;
    return viewer->thread || !handover->thread;
}

static void link_to(struct viewer *viewer, struct audience *audience)
{
    viewer->audience = audience;
    viewer->next = audience->viewers;
    if (viewer->next)
        viewer->next->previous = viewer;
    audience->viewers = viewer;
    audience->relay->viewers++;
    audience_touch(audience);
}

bool viewer_add(struct audience *audience, const struct handover *handover, int connection)
{
    struct viewer *viewer = calloc(1, sizeof(*viewer));
    if (!viewer) {
        close_connection(connection);
        return false;
    }
    viewer->watch = (struct loop_watch){.fd = connection, .ready = on_ready};
    viewer->timer = (struct loop_timer){.at = INT64_MAX, .ring = on_timer};
    viewer->last_out = clock_monotonic_ms();
    viewer->id_base = handover->id_base;
    viewer->seen = handover->after > 0 ? handover->after : 0;
    viewer->request_id = handover->request_id;
    viewer->form = handover->form;
    viewer->thread_twice = handover->thread_twice;
    link_to(viewer, audience);
    if (keep_texts(viewer, handover) && loop_watch(audience->relay->loop, &viewer->watch, EPOLLRDHUP) &&
        loop_set_timer(audience->relay->loop, &viewer->timer, viewer->last_out + KEEP_ALIVE_MS))
        return true;
    viewer_free(viewer);
    return false;
}

void viewer_free(struct viewer *viewer)
{
    struct audience *audience = viewer->audience;
    if (viewer->watch.events)
        loop_unwatch(audience->relay->loop, &viewer->watch);
    (void)loop_set_timer(audience->relay->loop, &viewer->timer, INT64_MAX);
    close_connection(viewer->watch.fd);
    if (viewer->next)
        viewer->next->previous = viewer->previous;
    if (viewer->previous)
        viewer->previous->next = viewer->next;
    else
        audience->viewers = viewer->next;
    audience->relay->viewers--;
    audience_touch(audience);
    free(viewer->headers);
    free(viewer->thread);
    free(viewer->rest);
    free(viewer);
}

struct viewer *viewer_next(const struct viewer *viewer)
{
    return viewer->next;
}

void viewer_refuse(struct relay *relay, const struct handover *handover, int connection, const char *code,
                   const char *detail)
{
    struct buf body, out;
    buf_init(&body, relay->scratch);
    buf_init(&out, relay->scratch);
    answer_write_problem(code, detail, handover->headers, handover->request, relay->scratch, &body);
    frame(&out, handover->request_id, &body, true);
    /* It fits into any socket; a peer that does not take it would not take more later either. */
    if (!out.failed)
        (void)!send(connection, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    arena_reset(relay->scratch);
    close_connection(connection);
}
