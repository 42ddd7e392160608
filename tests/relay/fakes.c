/* What stands around the relay, made for tests. */
#include "fakes.h"

#include <errno.h>
#include <fastcgi.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "db/batch.h"
#include "relay/audience.h"
#include "relay/loop.h"
#include "relay/saver.h"
#include "relay/state.h"

struct arena *fake_arena;
struct settings fake_settings = {.max_answer_bytes = 1 << 20, .drain_seconds = 1};
struct upstream_call fake_call[8];
unsigned fake_calls;
struct fake_database fake_db;

/* --- the clock --- */

static int64_t ahead;

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);

int64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + ahead;
}

void fake_advance(int64_t ms)
{
    ahead += ms;
}

/* --- the model --- */

struct upstream {
    int nothing;
};

struct upstream *upstream_new(struct loop *loop, const struct settings *settings)
{
    (void)loop;
    (void)settings;
    return calloc(1, sizeof(struct upstream));
}

void upstream_free(struct upstream *upstream)
{
    free(upstream);
}

struct upstream_call *upstream_start(struct upstream *upstream, const char *model, const char *messages,
                                     const struct upstream_events *events, void *owner)
{
    (void)upstream;
    (void)model;
    struct upstream_call *call = &fake_call[fake_calls++];
    *call = (struct upstream_call){.events = events, .owner = owner, .messages = arena_strdup(fake_arena, messages)};
    return call;
}

const char *upstream_cancel(struct upstream_call *call)
{
    call->cancelled = true;
    return NULL;
}

void fake_token(unsigned call, const char *text)
{
    CU_ASSERT_FALSE_FATAL(fake_call[call].cancelled);
    fake_call[call].events->token(fake_call[call].owner, text, strlen(text));
}

void fake_end(unsigned call, const char *finish_reason)
{
    struct upstream_end end = {.complete = true,
                               .finish_reason = finish_reason,
                               .model = "fake",
                               .has_usage = true,
                               .prompt_tokens = 7,
                               .completion_tokens = 3};
    fake_call[call].events->end(fake_call[call].owner, &end);
}

void fake_fail(unsigned call, const char *code, unsigned retry_after)
{
    struct upstream_end end = {.error_code = code, .error_message = "It failed.", .retry_after = retry_after};
    fake_call[call].events->end(fake_call[call].owner, &end);
}

/* --- the database --- */

struct batch {
    batch_done *done;
    void *context;
    struct batch_item item[BATCH_ITEMS_MAX];
    unsigned count;
};

struct batch *batch_new(const struct settings *settings, batch_done *done, void *context)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    (void)settings;
    batch->done = done;
    batch->context = context;
    return batch;
}

void batch_free(struct batch *batch)
{
    free(batch);
}

bool batch_is_busy(const struct batch *batch)
{
    return batch->count;
}

void batch_start(struct batch *batch, const struct batch_item *items, unsigned count)
{
    memcpy(batch->item, items, count * sizeof(*items));
    batch->count = count;
    fake_db.batches++;
    fake_db.items += count;
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        for (unsigned p = 0; p < items[i].params; p++)
            bytes += items[i].param[p] ? strlen(items[i].param[p]) : 0;
    fake_db.longest = bytes > fake_db.longest ? bytes : fake_db.longest;
    for (unsigned i = 1; i < count; i++) {
        const struct saver_job *before = items[i - 1].owner, *job = items[i].owner;
        int order = strcmp(before->user->text, job->user->text);
        fake_db.broken += order > 0 || (order == 0 && strcmp(before->session->text, job->session->text) > 0);
    }
}

int batch_fd(const struct batch *batch)
{
    (void)batch;
    return -1;
}

bool batch_wants_write(const struct batch *batch)
{
    (void)batch;
    return false;
}

int64_t batch_deadline(const struct batch *batch)
{
    return batch->count ? clock_monotonic_ms() : INT64_MAX;
}

struct fake_turn *fake_find(const struct uuid *turn)
{
    for (unsigned i = 0; i < fake_db.turns; i++)
        if (strcmp(fake_db.turn[i].turn.text, turn->text) == 0)
            return &fake_db.turn[i];
    struct fake_turn *found = &fake_db.turn[fake_db.turns++];
    *found = (struct fake_turn){.turn = *turn, .status = "streaming"};
    return found;
}

static struct uuid turn_of(const struct batch_item *item)
{
    struct uuid turn = {""};
    CU_ASSERT_TRUE_FATAL(uuid_parse(&turn, item->param[1]));
    CU_ASSERT_STRING_EQUAL(item->param[0], item->user.text);
    return turn;
}

/* Stores a row once; the same id has to come with the same data. */
static void store_row(const struct uuid *turn, const struct json *row)
{
    long id = (long)json_int(json_member(row, "id"));
    const char *data = json_raw(fake_arena, json_member(row, "data"));
    for (unsigned i = 0; i < fake_db.rows; i++)
        if (fake_db.row[i].id == id && strcmp(fake_db.row[i].turn.text, turn->text) == 0) {
            fake_db.broken += strcmp(fake_db.row[i].data, data) != 0;
            return;
        }
    fake_db.row[fake_db.rows++] =
        (struct fake_row){.turn = *turn,
                          .id = id,
                          .type = arena_strdup(fake_arena, json_string(json_member(row, "type"), NULL)),
                          .data = arena_strdup(fake_arena, data)};
}

static void store_rows(const struct batch_item *item)
{
    struct uuid turn = turn_of(item);
    struct json_error error;
    const struct json *list;
    if (!item->param[2])
        return;
    char *text = arena_strdup(fake_arena, item->param[2]);
    CU_ASSERT_EQUAL_FATAL(json_parse(fake_arena, text, strlen(text), &list, &error), ST_OK);
    for (size_t i = 0; i < json_size(list); i++)
        store_row(&turn, json_element(list, i));
}

static void copy(char *to, size_t n, const char *text)
{
    (void)snprintf(to, n, "%s", text ? text : "");
}

static const char *store_finish(const struct batch_item *item)
{
    struct uuid id = turn_of(item);
    struct fake_turn *turn = fake_find(&id);
    if (strcmp(turn->status, "streaming") != 0)
        return strcmp(turn->status, item->param[3]) == 0 ? "saved" : "gone";
    store_rows(item);
    copy(turn->status, sizeof(turn->status), item->param[3]);
    turn->content = arena_strdup(fake_arena, item->param[4]);
    copy(turn->tool_calls, sizeof(turn->tool_calls), item->param[5]);
    copy(turn->finish_reason, sizeof(turn->finish_reason), item->param[6]);
    copy(turn->error_code, sizeof(turn->error_code), item->param[7]);
    turn->prompt_tokens = strtol(item->param[9], NULL, 10);
    turn->completion_tokens = strtol(item->param[10], NULL, 10);
    copy(turn->estimated, sizeof(turn->estimated), item->param[11]);
    turn->finishes++;
    return "saved";
}

static PGresult *make_rows(int columns)
{
    PGresAttDesc column[6];
    memset(column, 0, sizeof(column));
    char name[] = "column";
    for (int i = 0; i < columns; i++)
        column[i] = (PGresAttDesc){.name = name, .typid = 25, .typlen = -1, .atttypmod = -1};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(result, columns, column);
    return result;
}

static void set(PGresult *result, int row, int column, const char *text)
{
    char *value = arena_strdup(fake_arena, text);
    PQsetvalue(result, row, column, value, (int)strlen(value));
}

static void give_events(const struct batch_item *item, PGresult *result)
{
    struct uuid turn = turn_of(item);
    long after = strtol(item->param[2], NULL, 10), limit = strtol(item->param[3], NULL, 10);
    int count = 0;
    for (unsigned i = 0; i < fake_db.rows && count < limit; i++) {
        const struct fake_row *row = &fake_db.row[i];
        if (row->id <= after || strcmp(row->turn.text, turn.text) != 0)
            continue;
        set(result, count, 0, arena_printf(fake_arena, "%ld", row->id));
        set(result, count, 1, row->type);
        set(result, count++, 2, row->data);
    }
}

static PGresult *answer(const struct batch_item *item)
{
    struct uuid turn = {""};
    PGresult *result;
    switch (item->query) {
    case QUERY_TURN_CHECKPOINT:
        fake_db.checkpoints++;
        if (!fake_db.gone)
            store_rows(item);
        set(result = make_rows(1), 0, 0, fake_db.gone ? "gone" : fake_db.word ? fake_db.word : "go");
        return result;
    case QUERY_TURN_FINISH:
        set(result = make_rows(1), 0, 0, fake_db.gone ? "gone" : store_finish(item));
        return result;
    case QUERY_TURN_EVENTS:
        give_events(item, result = make_rows(3));
        return result;
    case QUERY_TURN_GET:
        turn = turn_of(item);
        result = make_rows(3);
        if (!fake_db.gone) {
            set(result, 0, 0, turn.text);
            set(result, 0, 1, fake_find(&turn)->status);
            set(result, 0, 2, "1");
        }
        return result;
    default:
        return make_rows(1);
    }
}

void batch_step(struct batch *batch)
{
    PGresult *result[BATCH_ITEMS_MAX] = {NULL};
    struct batch_item item[BATCH_ITEMS_MAX];
    unsigned count = batch->count;
    memcpy(item, batch->item, count * sizeof(*item));
    batch->count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (fake_db.mode != FAKE_DOWN)
            result[i] = answer(&item[i]);
        item[i].status = fake_db.mode == FAKE_UP ? ST_OK : ST_UNAVAILABLE;
        item[i].rows = (struct db_rows){.result = result[i], .count = result[i] ? (unsigned)PQntuples(result[i]) : 0};
    }
    if (count)
        batch->done(batch->context, item, count);
    for (unsigned i = 0; i < count; i++)
        PQclear(result[i]);
}

/* --- a peer --- */

void peer_open(struct peer *peer, int *connection)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *peer = (struct peer){.fd = ends[0], .text = calloc(1, 8 << 20), .raw = calloc(1, 8 << 20)};
    *connection = ends[1];
}

void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
    free(peer->text);
    free(peer->raw);
    peer->text = peer->raw = NULL;
}

/* Unpacks the records that are whole. */
static void unpack(struct peer *peer)
{
    while (peer->raw_len - peer->raw_at >= FCGI_HEADER_LEN) {
        const unsigned char *header = (unsigned char *)peer->raw + peer->raw_at;
        size_t n = (size_t)header[4] << 8 | header[5], size = FCGI_HEADER_LEN + n + header[6];
        if (peer->raw_len - peer->raw_at < size)
            return;
        CU_ASSERT_EQUAL(header[0], FCGI_VERSION_1);
        CU_ASSERT_EQUAL(header[6], 0); /* not a byte stands behind what is to be passed on */
        CU_ASSERT_EQUAL(header[2] << 8 | header[3], 259);
        CU_ASSERT_FALSE(peer->ended);
        if (header[1] == FCGI_STDOUT) {
            memcpy(peer->text + peer->len, header + FCGI_HEADER_LEN, n);
            peer->len += n;
        }
        peer->ended = header[1] == FCGI_END_REQUEST;
        peer->raw_at += size;
    }
}

void peer_read(struct peer *peer, size_t n)
{
    while (n) {
        ssize_t got = recv(peer->fd, peer->raw + peer->raw_len, n, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            peer->closed = true;
        if (got <= 0)
            break;
        peer->raw_len += (size_t)got;
        n -= (size_t)got;
    }
    unpack(peer);
}

const char *peer_body(const struct peer *peer)
{
    const char *body = strstr(peer->text, "\r\n\r\n");
    return body ? body + 4 : "";
}

bool peer_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* --- both --- */

void fake_begin(void)
{
    if (!fake_arena)
        fake_arena = arena_new((size_t)256 << 20);
    arena_reset(fake_arena);
    memset(&fake_db, 0, sizeof(fake_db));
    memset(fake_call, 0, sizeof(fake_call));
    fake_calls = 0;
}

struct handover fake_handover(enum handover_kind kind, enum viewer_form form)
{
    struct handover handover = {.kind = kind,
                                .request_id = 259,
                                .form = form,
                                .thread = "thread-1",
                                .headers = "X-Request-Id: r-1\r\n",
                                .title = "A \"title\"",
                                .created = true,
                                .messages = "[{\"role\":\"user\",\"content\":\"hi\"}]",
                                .request = "r-1"};
    struct uuid *const ids[] = {&handover.user, &handover.session, &handover.turn, &handover.message,
                                &handover.user_message};
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_TRUE_FATAL(uuid_v7(ids[i]));
    return handover;
}

void fake_run(struct relay *relay, struct peer *peer)
{
    for (unsigned i = 0; i < 6; i++) {
        audience_settle_all(&relay->audiences);
        if (relay->saver)
            saver_round(relay->saver);
        loop_turn(relay->loop, 0, NULL);
        if (peer)
            peer_read(peer, SIZE_MAX);
    }
}
