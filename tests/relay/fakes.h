/*
 * What stands around the relay, made for tests: a model that says what the test says, a database in memory whose
 * answers can be lost, a clock that can be put forward, and a FastCGI peer.
 */
#ifndef PARLEY_TESTS_RELAY_FAKES_H
#define PARLEY_TESTS_RELAY_FAKES_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/settings.h"
#include "base/uuid.h"
#include "relay/handover.h"
#include "relay/upstream.h"

#define RELAY_TEST(suite, test) CU_add_test((suite), #test, (test))

struct arena;
struct relay;

extern struct arena *fake_arena; /* emptied by fake_begin */
extern struct settings fake_settings;

void fake_begin(void);
void fake_advance(int64_t ms);

/* --- the model --- */

struct upstream_call {
    const struct upstream_events *events;
    void *owner;
    char *messages;
    bool cancelled;
};
extern struct upstream_call fake_call[8];
extern unsigned fake_calls;

void fake_token(unsigned call, const char *text);
void fake_end(unsigned call, const char *finish_reason);
void fake_fail(unsigned call, const char *code, unsigned retry_after);

/* --- the database --- */

enum fake_mode {
    FAKE_UP,
    FAKE_DOWN, /* nothing gets there */
    FAKE_LOST, /* it is stored, the answer is lost */
};

struct fake_row {
    struct uuid turn;
    long id;
    char *type, *data;
};

struct fake_turn {
    struct uuid turn;
    char status[16], finish_reason[64], error_code[64], estimated[8], tool_calls[64];
    char *content;
    long prompt_tokens, completion_tokens;
    unsigned finishes;
};

struct fake_database {
    enum fake_mode mode;
    const char *word;                             /* what a checkpoint answers; NULL: go */
    bool gone;                                    /* no turn is there */
    unsigned batches, items, checkpoints, broken; /* broken: other data for an id, or out of order */
    size_t longest;                               /* batch, in bytes */
    struct fake_row row[4096];
    unsigned rows;
    struct fake_turn turn[64];
    unsigned turns;
};
extern struct fake_database fake_db;

struct fake_turn *fake_find(const struct uuid *turn);

/* --- a peer --- */

/* What came over a connection: the bytes of FCGI_STDOUT, and whether the request was ended. */
struct peer {
    int fd;
    char *text;
    size_t len;
    char *raw;
    size_t raw_len, raw_at;
    bool ended, closed;
};

/* A peer whose other end is `connection`. */
void peer_open(struct peer *peer, int *connection);
void peer_close(struct peer *peer);
/* Takes what is there, at most n bytes. */
void peer_read(struct peer *peer, size_t n);
/* The body behind the header block; "" before it is whole. */
const char *peer_body(const struct peer *peer);
/* Whether a text begins with another. */
bool peer_begins(const char *text, const char *with);

/* --- both --- */

/* A turn of a new user, as a worker hands it over. */
struct handover fake_handover(enum handover_kind kind, enum viewer_form form);

/* A few rounds of the loop. */
void fake_run(struct relay *relay, struct peer *peer);

#endif
