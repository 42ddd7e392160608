/* Turns from their start to their end: told, saved, stopped, lost and found again. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "fakes.h"
#include "relay/relay.h"
#include "relay/state.h"

void suite_relay(void);

static struct relay *relay;

static void begin(void)
{
    fake_begin();
    relay = relay_new(&fake_settings, -1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(relay);
}

static void finish(void)
{
    CU_ASSERT_EQUAL(fake_db.broken, 0);
    CU_ASSERT_EQUAL(relay->audiences.count, 0);
    CU_ASSERT_EQUAL(relay->viewers, 0);
    relay_free(relay);
}

static struct handover start(struct peer *peer, enum viewer_form form)
{
    int connection;
    struct handover handover = fake_handover(HANDOVER_TURN, form);
    peer_open(peer, &connection);
    relay_take(relay, &handover, connection);
    return handover;
}

static void watch(struct peer *peer, const struct handover *turn, long after)
{
    int connection;
    struct handover handover = *turn;
    handover.kind = HANDOVER_WATCH;
    handover.after = after;
    peer_open(peer, &connection);
    relay_take(relay, &handover, connection);
}

static void run(struct peer *peer)
{
    fake_run(relay, peer);
}

/* Lets time pass in steps in which everything that is due happens. */
static void pass(struct peer *peer, int64_t ms)
{
    for (; ms > 0; ms -= 100) {
        fake_advance(100);
        run(peer);
    }
}

/* All text of token events, in order. */
static const char *heard(const struct peer *peer)
{
    char *text = arena_alloc(fake_arena, peer->len + 1), *to = text;
    for (const char *at = peer_body(peer); (at = strstr(at, "\"token\",\"content\":\""));)
        for (at += 19; *at != '"'; at++)
            *to++ = *at;
    return text;
}

static long last_id(const struct peer *peer)
{
    long id = 0;
    for (const char *at = peer->text; (at = strstr(at, "id: ")); at++)
        if (at == peer->text || at[-1] == '\n')
            id = strtol(at + 4, NULL, 10);
    return id;
}

static bool said(const struct peer *peer, const char *text)
{
    return strstr(peer->text, text);
}

/* fake_db counts as broken what is out of order; ids grow, so that the second turn's session is the greater one. */
static void relay_saves_a_users_turns_in_the_order_of_their_sessions(void)
{
    struct peer first, second;
    int connection;
    begin();
    struct handover turn = start(&first, VIEWER_EVENTS), other = fake_handover(HANDOVER_TURN, VIEWER_EVENTS);
    other.user = turn.user;
    peer_open(&second, &connection);
    relay_take(relay, &other, connection);
    for (unsigned asked = 0; asked < 2; asked++) {
        fake_token(!asked, "the greater one asks first");
        fake_advance(10);
        fake_token(asked, "then the other way round");
        pass(&first, 600);
    }
    fake_end(0, "stop");
    fake_end(1, "stop");
    pass(&first, 600);
    run(&second);
    CU_ASSERT_TRUE(said(&first, "\"done\"") && said(&second, "\"done\""));
    peer_close(&first);
    peer_close(&second);
    finish();
}

static void relay_tells_saves_and_ends_a_turn(void)
{
    struct peer peer;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS);
    CU_ASSERT_STRING_EQUAL(fake_call[0].messages, turn.messages);
    run(&peer);
    CU_ASSERT_TRUE(said(&peer, "id: 1\ndata: {\"type\":\"session\",\"session_id\":\""));
    CU_ASSERT_TRUE(said(&peer, "\"title\":\"A \\\"title\\\"\",\"created\":true}"));
    fake_token(0, "Hello ");
    run(&peer);
    CU_ASSERT_TRUE(said(&peer, "id: 7\n"));
    CU_ASSERT_EQUAL(fake_db.checkpoints, 0);
    pass(&peer, 600);
    CU_ASSERT_EQUAL(fake_db.checkpoints, 1);
    CU_ASSERT_EQUAL(fake_db.rows, 2);
    fake_token(0, "world");
    fake_end(0, "stop");
    run(&peer);
    CU_ASSERT_STRING_EQUAL(heard(&peer), "Hello world");
    CU_ASSERT_TRUE(said(&peer, "\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"
                               "\"total_tokens\":10,\"estimated\":false}"));
    CU_ASSERT_TRUE(peer.ended && peer.closed);
    struct fake_turn *stored = fake_find(&turn.turn);
    CU_ASSERT_STRING_EQUAL(stored->status, "complete");
    CU_ASSERT_STRING_EQUAL(stored->content, "Hello world");
    CU_ASSERT_STRING_EQUAL(stored->finish_reason, "stop");
    CU_ASSERT_STRING_EQUAL(stored->estimated, "false");
    peer_close(&peer);
    finish();
}

static void relay_goes_on_without_viewers(void)
{
    struct peer peer;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS);
    fake_token(0, "one ");
    run(&peer);
    peer_close(&peer);
    run(NULL);
    CU_ASSERT_EQUAL(relay->viewers, 0);
    fake_token(0, "two");
    fake_end(0, "stop");
    run(NULL);
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "one two");
    finish();
}

static void relay_lets_two_watch_one_turn(void)
{
    struct peer first, second, late;
    begin();
    struct handover turn = start(&first, VIEWER_EVENTS);
    fake_token(0, "one ");
    run(&first);
    watch(&second, &turn, last_id(&first));
    watch(&late, &turn, 0);
    fake_token(0, "two");
    run(&second);
    fake_end(0, "stop");
    run(&first);
    peer_read(&second, 100000);
    peer_read(&late, 100000);
    CU_ASSERT_STRING_EQUAL(heard(&first), "one two");
    CU_ASSERT_STRING_EQUAL(heard(&second), "two");
    CU_ASSERT_STRING_EQUAL(heard(&late), "one two");
    CU_ASSERT_TRUE(first.ended && second.ended && late.ended);
    peer_close(&first);
    peer_close(&second);
    peer_close(&late);
    finish();
}

static void relay_shows_no_turn_to_another_user(void)
{
    struct peer first, second;
    begin();
    struct handover turn = start(&first, VIEWER_EVENTS), other = turn;
    fake_token(0, "secret");
    run(&first);
    CU_ASSERT_TRUE(uuid_v7(&other.user));
    other.kind = HANDOVER_STOP;
    relay_take(relay, &other, -1);
    CU_ASSERT_FALSE(fake_call[0].cancelled);
    fake_db.gone = true;
    watch(&second, &other, 0);
    for (unsigned i = 0; i < 3; i++)
        run(&second);
    CU_ASSERT_STRING_EQUAL(heard(&second), "");
    CU_ASSERT_TRUE(said(&second, "turn_gone"));
    CU_ASSERT_TRUE(second.ended);
    fake_db.gone = false;
    fake_end(0, "stop");
    run(&first);
    peer_close(&first);
    peer_close(&second);
    finish();
}

static void relay_shows_done_only_when_it_is_stored(void)
{
    struct peer peer;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS);
    fake_db.mode = FAKE_DOWN;
    fake_token(0, "kept");
    fake_end(0, "stop");
    pass(&peer, 10000);
    CU_ASSERT_FALSE(said(&peer, "\"done\""));
    CU_ASSERT_FALSE(peer.ended);
    fake_db.mode = FAKE_UP;
    pass(&peer, 1000);
    CU_ASSERT_TRUE(said(&peer, "\"done\""));
    CU_ASSERT_TRUE(peer.ended);
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "kept");
    peer_close(&peer);
    finish();
}

static void relay_tells_that_it_could_not_save_and_tries_on(void)
{
    struct peer peer, json;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS), form = turn;
    form.form = VIEWER_JSON;
    watch(&json, &form, 0);
    fake_db.mode = FAKE_DOWN;
    fake_token(0, "kept");
    fake_end(0, "stop");
    pass(&peer, 29000);
    CU_ASSERT_FALSE(peer.ended);
    pass(&peer, 3000);
    peer_read(&json, 100000);
    CU_ASSERT_TRUE(said(&peer, "data: {\"type\":\"error\",\"code\":\"not_saved\""));
    CU_ASSERT_FALSE(said(&peer, "\"done\""));
    CU_ASSERT_TRUE(peer_begins(json.text, "Status: 503 "));
    CU_ASSERT_TRUE(peer.ended && json.ended);
    CU_ASSERT_EQUAL(relay->audiences.count, 1);
    fake_db.mode = FAKE_UP;
    pass(NULL, 1000);
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "kept");
    peer_close(&peer);
    peer_close(&json);
    finish();
}

static void relay_gives_up_in_the_end(void)
{
    struct peer peer;
    begin();
    start(&peer, VIEWER_EVENTS);
    fake_db.mode = FAKE_DOWN;
    fake_end(0, "stop");
    run(&peer);
    for (unsigned i = 0; i < 320; i++) {
        fake_advance(1000);
        run(&peer);
    }
    peer_close(&peer);
    finish();
}

static void relay_sends_again_just_what_it_sent(void)
{
    for (unsigned round = 0; round < 64; round++) {
        struct peer peer;
        begin();
        struct handover turn = start(&peer, VIEWER_EVENTS);
        /* Each bit loses an answer, or the question too. */
        for (unsigned bit = 0; bit < 6; bit++) {
            char word[16];
            fake_db.mode = round & (1U << bit) ? (bit % 2 ? FAKE_LOST : FAKE_DOWN) : FAKE_UP;
            (void)snprintf(word, sizeof(word), "w%u ", bit);
            fake_token(0, word);
            pass(&peer, 700);
        }
        fake_token(0, "end");
        fake_db.mode = FAKE_LOST;
        fake_end(0, "stop");
        pass(&peer, 1200);
        fake_db.mode = FAKE_UP;
        pass(&peer, 1200);
        CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "w0 w1 w2 w3 w4 w5 end");
        CU_ASSERT_EQUAL(fake_find(&turn.turn)->finishes, 1);
        CU_ASSERT_TRUE(peer.ended);
        CU_ASSERT_STRING_EQUAL(heard(&peer), "w0 w1 w2 w3 w4 w5 end");
        peer_close(&peer);
        /* Whoever reads it from the database reads the same. */
        struct peer late;
        watch(&late, &turn, 0);
        pass(&late, 1000);
        CU_ASSERT_STRING_EQUAL(heard(&late), "w0 w1 w2 w3 w4 w5 end");
        CU_ASSERT_TRUE(said(&late, "\"done\"") && late.ended);
        peer_close(&late);
        finish();
    }
}

static void relay_stops_a_turn_when_asked_and_when_it_reads_so(void)
{
    for (unsigned way = 0; way < 2; way++) {
        struct peer peer;
        begin();
        struct handover turn = start(&peer, VIEWER_EVENTS), stop = turn;
        fake_token(0, "half");
        run(&peer);
        stop.kind = HANDOVER_STOP;
        if (way == 0)
            relay_take(relay, &stop, -1);
        else
            fake_db.word = "stop";
        pass(&peer, 800);
        CU_ASSERT_TRUE(fake_call[0].cancelled);
        CU_ASSERT_TRUE(said(&peer, "\"finish_reason\":\"stopped\""));
        CU_ASSERT_TRUE(said(&peer, "\"estimated\":true"));
        CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->status, "stopped");
        CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "half");
        CU_ASSERT_EQUAL(fake_find(&turn.turn)->completion_tokens, 1);
        CU_ASSERT_TRUE(peer.ended);
        peer_close(&peer);
        finish();
    }
}

static void relay_keeps_the_text_of_a_turn_that_fails(void)
{
    struct peer peer;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS);
    fake_token(0, "half");
    fake_fail(0, "model_rate_limited", 9);
    run(&peer);
    CU_ASSERT_TRUE(said(&peer, "{\"type\":\"error\",\"code\":\"model_rate_limited\",\"message\":\"It failed.\""));
    CU_ASSERT_TRUE(said(&peer, "\"retry_after\":9}"));
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->status, "failed");
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->error_code, "model_rate_limited");
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "half");
    peer_close(&peer);
    finish();
}

static void relay_lets_go_of_a_turn_that_is_gone(void)
{
    struct peer peer;
    begin();
    start(&peer, VIEWER_EVENTS);
    fake_token(0, "half");
    fake_db.gone = true;
    pass(&peer, 800);
    CU_ASSERT_TRUE(fake_call[0].cancelled);
    CU_ASSERT_TRUE(said(&peer, "\"turn_gone\""));
    CU_ASSERT_TRUE(peer.ended);
    peer_close(&peer);
    finish();
}

static void relay_ends_an_answer_that_is_too_long(void)
{
    struct peer peer;
    char text[4097];
    begin();
    memset(text, 'x', 4096);
    text[4096] = '\0';
    struct handover turn = start(&peer, VIEWER_EVENTS);
    for (unsigned i = 0; i < 1100; i++) {
        /* What a call tells after it is too much is let go. */
        fake_token(0, text);
    }
    for (unsigned i = 0; i < 20; i++)
        run(&peer);
    CU_ASSERT_TRUE(fake_call[0].cancelled);
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->error_code, "answer_too_long");
    peer_read(&peer, 100000);
    peer_close(&peer);
    run(NULL);
    finish();
}

static void relay_renews_the_lease_of_a_silent_turn(void)
{
    struct peer peer;
    begin();
    start(&peer, VIEWER_EVENTS);
    pass(&peer, 26000);
    CU_ASSERT(fake_db.checkpoints >= 5 && fake_db.checkpoints <= 7);
    CU_ASSERT_EQUAL(fake_db.rows, 1);
    CU_ASSERT_TRUE(said(&peer, ": keep-alive\n"));
    fake_end(0, "stop");
    run(&peer);
    peer_close(&peer);
    finish();
}

static void relay_follows_a_turn_that_runs_elsewhere(void)
{
    struct peer far, peer, middle;
    begin();
    struct handover turn = start(&far, VIEWER_EVENTS);
    struct relay *elsewhere = relay;
    fake_token(0, "one ");
    pass(&far, 600);
    relay = relay_new(&fake_settings, -1);
    watch(&peer, &turn, 0);
    watch(&middle, &turn, 3);
    pass(&peer, 500);
    CU_ASSERT_STRING_EQUAL(heard(&peer), "one ");
    fake_token(0, "two ");
    fake_run(elsewhere, &far);
    fake_advance(600);
    fake_run(elsewhere, &far);
    pass(&peer, 500);
    CU_ASSERT_STRING_EQUAL(heard(&peer), "one two ");
    fake_token(0, "three");
    fake_end(0, "stop");
    fake_run(elsewhere, &far);
    pass(&peer, 1000);
    peer_read(&middle, 100000);
    CU_ASSERT_STRING_EQUAL(heard(&peer), "one two three");
    CU_ASSERT_STRING_EQUAL(heard(&middle), "e two three");
    CU_ASSERT_EQUAL(last_id(&peer), last_id(&far));
    CU_ASSERT_TRUE(said(&peer, "\"done\"") && peer.ended && middle.ended);
    peer_close(&far);
    peer_close(&peer);
    peer_close(&middle);
    finish();
    relay = elsewhere;
    finish();
}

static void relay_sees_when_a_turn_elsewhere_was_interrupted(void)
{
    struct peer far, peer;
    begin();
    struct handover turn = start(&far, VIEWER_EVENTS);
    fake_token(0, "half");
    pass(&far, 600);
    /* Its process is killed. */
    relay_free(relay);
    peer_close(&far);
    relay = relay_new(&fake_settings, -1);
    watch(&peer, &turn, 0);
    pass(&peer, 4000);
    CU_ASSERT_STRING_EQUAL(heard(&peer), "half");
    CU_ASSERT_FALSE(peer.ended);
    memcpy(fake_find(&turn.turn)->status, "interrupted", 12);
    pass(&peer, 4000);
    CU_ASSERT_TRUE(said(&peer, "\"interrupted\"") && peer.ended);
    peer_close(&peer);
    finish();
}

static void relay_forgets_a_followed_turn_that_nobody_watches(void)
{
    struct peer peer;
    begin();
    struct handover turn = fake_handover(HANDOVER_WATCH, VIEWER_EVENTS);
    watch(&peer, &turn, 0);
    pass(&peer, 500);
    CU_ASSERT_EQUAL(relay->audiences.count, 1);
    peer_close(&peer);
    pass(NULL, 1000);
    finish();
}

static void relay_saves_many_turns_in_few_batches_in_the_order_of_users(void)
{
    struct peer peer[8];
    begin();
    for (unsigned i = 0; i < 8; i++)
        start(&peer[i], VIEWER_EVENTS);
    for (unsigned tick = 0; tick < 10; tick++) {
        for (unsigned i = 0; i < 8; i++)
            fake_token(i, "tick ");
        pass(&peer[0], 500);
    }
    CU_ASSERT(fake_db.batches <= 22);
    CU_ASSERT(fake_db.items >= 72);
    for (unsigned i = 0; i < 8; i++)
        fake_end(i, "stop");
    run(NULL);
    for (unsigned i = 0; i < 8; i++) {
        peer_read(&peer[i], 100000);
        CU_ASSERT_TRUE(peer[i].ended);
        peer_close(&peer[i]);
    }
    finish();
}

/* The connection keeps a buffer of the longest batch for good. */
static void relay_saves_long_answers_that_end_together_one_after_the_other(void)
{
    enum { LONG = 2 << 20 };
    struct handover turn[8];
    begin();
    char *text = arena_alloc(fake_arena, LONG + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'x', LONG);
    for (unsigned i = 0; i < 8; i++) {
        turn[i] = fake_handover(HANDOVER_TURN, VIEWER_EVENTS);
        relay_take(relay, &turn[i], -1);
        fake_token(i, text);
    }
    for (unsigned i = 0; i < 8; i++)
        fake_end(i, "stop");
    pass(NULL, 5000);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_STRING_EQUAL(fake_find(&turn[i].turn)->content, text);
    CU_ASSERT(fake_db.longest >= LONG && fake_db.longest < 3 * LONG);
    finish();
}

static void relay_refuses_what_is_beyond_its_descriptors(void)
{
    struct peer peer, viewer;
    begin();
    relay->descriptors = 1;
    struct handover turn = start(&peer, VIEWER_EVENTS);
    run(&peer);
    CU_ASSERT_EQUAL(fake_calls, 0);
    CU_ASSERT_TRUE(peer_begins(peer.text, "Status: 503 "));
    CU_ASSERT_TRUE(said(&peer, "\"overloaded\""));
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->status, "failed");
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->error_code, "overloaded");
    watch(&viewer, &turn, 0);
    run(&viewer);
    CU_ASSERT_TRUE(peer_begins(viewer.text, "Status: 503 "));
    peer_close(&peer);
    peer_close(&viewer);
    finish();
}

static void relay_interrupts_and_saves_when_its_process_ends(void)
{
    struct peer peer;
    begin();
    struct handover turn = start(&peer, VIEWER_EVENTS);
    fake_token(0, "half");
    run(&peer);
    for (struct audience *audience = relay->audiences.first; audience; audience = audience->next)
        audience->kind->interrupt(audience);
    relay_finish(relay);
    peer_read(&peer, 100000);
    CU_ASSERT_TRUE(fake_call[0].cancelled);
    CU_ASSERT_TRUE(said(&peer, "\"interrupted\"") && peer.ended);
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->status, "interrupted");
    CU_ASSERT_STRING_EQUAL(fake_find(&turn.turn)->content, "half");
    peer_close(&peer);
    finish();
}

/* --- the process --- */

/* A relay of its own process, with the model and the database of the test in it. */
static pid_t fork_relay(int socket)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        _exit(relay_run(&fake_settings, socket, parent));
    CU_ASSERT_FATAL(pid > 0);
    return pid;
}

/* Reads until the text has come; false: it did not within five seconds. */
static bool comes(struct peer *peer, const char *text)
{
    for (unsigned i = 0; i < 500 && !said(peer, text); i++) {
        usleep(10000);
        peer_read(peer, SIZE_MAX);
    }
    return said(peer, text);
}

static void hand_over(int socket, struct peer *peer)
{
    int connection;
    struct handover handover = fake_handover(HANDOVER_TURN, VIEWER_EVENTS);
    peer_open(peer, &connection);
    CU_ASSERT_EQUAL(handover_send(socket, &handover, connection, fake_arena), ST_OK);
    close(connection);
}

static int exit_of(pid_t pid)
{
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void relay_process_drains_and_leaves_the_rest_to_the_next(void)
{
    int ends[2];
    struct peer first, second;
    fake_begin();
    CU_ASSERT_EQUAL_FATAL(handover_pair(ends), ST_OK);
    pid_t old = fork_relay(ends[0]);
    hand_over(ends[1], &first);
    CU_ASSERT_TRUE(comes(&first, "\"session\""));
    kill(old, SIGTERM);
    usleep(200000);
    hand_over(ends[1], &second);
    CU_ASSERT_FALSE(said(&first, "interrupted"));
    CU_ASSERT_TRUE(comes(&first, "\"interrupted\""));
    CU_ASSERT_EQUAL(exit_of(old), 0);
    CU_ASSERT_TRUE(comes(&first, "") && first.ended);
    CU_ASSERT_EQUAL(second.len, 0);

    pid_t new = fork_relay(ends[0]);
    CU_ASSERT_TRUE(comes(&second, "\"session\""));
    kill(new, SIGTERM);
    usleep(100000);
    kill(new, SIGTERM);
    CU_ASSERT_EQUAL(exit_of(new), 0);
    CU_ASSERT_TRUE(comes(&second, "\"interrupted\""));
    peer_close(&first);
    peer_close(&second);
    close(ends[0]);
    close(ends[1]);
}

static void relay_process_at_rest_ends_at_once(void)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(handover_pair(ends), ST_OK);
    pid_t pid = fork_relay(ends[0]);
    usleep(100000);
    kill(pid, SIGTERM);
    CU_ASSERT_EQUAL(exit_of(pid), 0);
    close(ends[0]);
    close(ends[1]);
}

void suite_relay(void)
{
    CU_pSuite suite = CU_add_suite("relay", NULL, NULL);
    RELAY_TEST(suite, relay_tells_saves_and_ends_a_turn);
    RELAY_TEST(suite, relay_goes_on_without_viewers);
    RELAY_TEST(suite, relay_lets_two_watch_one_turn);
    RELAY_TEST(suite, relay_shows_no_turn_to_another_user);
    RELAY_TEST(suite, relay_shows_done_only_when_it_is_stored);
    RELAY_TEST(suite, relay_tells_that_it_could_not_save_and_tries_on);
    RELAY_TEST(suite, relay_gives_up_in_the_end);
    RELAY_TEST(suite, relay_sends_again_just_what_it_sent);
    RELAY_TEST(suite, relay_stops_a_turn_when_asked_and_when_it_reads_so);
    RELAY_TEST(suite, relay_keeps_the_text_of_a_turn_that_fails);
    RELAY_TEST(suite, relay_lets_go_of_a_turn_that_is_gone);
    RELAY_TEST(suite, relay_ends_an_answer_that_is_too_long);
    RELAY_TEST(suite, relay_renews_the_lease_of_a_silent_turn);
    RELAY_TEST(suite, relay_follows_a_turn_that_runs_elsewhere);
    RELAY_TEST(suite, relay_sees_when_a_turn_elsewhere_was_interrupted);
    RELAY_TEST(suite, relay_forgets_a_followed_turn_that_nobody_watches);
    RELAY_TEST(suite, relay_saves_many_turns_in_few_batches_in_the_order_of_users);
    RELAY_TEST(suite, relay_saves_a_users_turns_in_the_order_of_their_sessions);
    RELAY_TEST(suite, relay_saves_long_answers_that_end_together_one_after_the_other);
    RELAY_TEST(suite, relay_refuses_what_is_beyond_its_descriptors);
    RELAY_TEST(suite, relay_interrupts_and_saves_when_its_process_ends);
    RELAY_TEST(suite, relay_process_drains_and_leaves_the_rest_to_the_next);
    RELAY_TEST(suite, relay_process_at_rest_ends_at_once);
}
