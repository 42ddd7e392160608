/* Handing connections over: they arrive whole, or not at all and nothing stays open. */
#include "relay/handover.h"

#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "unit.h"

void suite_handover(void);

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static struct arena *arena;
static int ends[2];
static int connection[2];
static int open_before;

static int count_open(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void begin(void)
{
    arena = arena_new(128 << 20);
    CU_ASSERT_FATAL(arena && handover_pair(ends) == ST_OK);
    CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection) == 0);
    open_before = count_open();
}

static void finish(void)
{
    CU_ASSERT_EQUAL(count_open(), open_before);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(connection[i]);
    }
    arena_free(arena);
}

static struct handover a_turn(const char *messages)
{
    struct handover handover = {
        .kind = HANDOVER_TURN,
        .request_id = 7,
        .form = VIEWER_JSON,
        .headers = "X-Request-Id: abcdefgh\r\nX-Other: \xC3\xA4\r\n",
        .id_base = 9007199254740991,
        .after = 42,
        .title = "A \"title\"\n",
        .created = true,
        .model = NULL,
        .messages = messages,
        .request = "abcdefgh",
    };
    uuid_parse(&handover.user, ID);
    uuid_parse(&handover.session, "11111111-1111-1111-1111-111111111111");
    uuid_parse(&handover.turn, "22222222-2222-2222-2222-222222222222");
    uuid_parse(&handover.message, "33333333-3333-3333-3333-333333333333");
    uuid_parse(&handover.user_message, "44444444-4444-4444-4444-444444444444");
    return handover;
}

static bool same(const struct uuid *a, const struct uuid *b)
{
    return !strcmp(a->text, b->text);
}

static void handover_brings_the_turn_and_the_connection(void)
{
    begin();
    struct handover sent = a_turn("[{\"role\":\"user\",\"content\":\"1.50e0 \\u0041\"}]"), got;
    int fd;
    char byte = 0;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    CU_ASSERT(got.kind == sent.kind && got.request_id == 7 && got.form == VIEWER_JSON && got.id_base == sent.id_base &&
              got.after == 42);
    CU_ASSERT_STRING_EQUAL(got.headers, sent.headers);
    CU_ASSERT_STRING_EQUAL(got.title, sent.title);
    CU_ASSERT_STRING_EQUAL(got.request, sent.request);
    CU_ASSERT_STRING_EQUAL(got.messages, sent.messages);
    CU_ASSERT(got.created && !got.model);
    CU_ASSERT(same(&got.user, &sent.user) && same(&got.session, &sent.session) && same(&got.turn, &sent.turn));
    CU_ASSERT(same(&got.message, &sent.message) && same(&got.user_message, &sent.user_message));
    /* It is the same connection, and the sender keeps its own descriptor. */
    CU_ASSERT(fd >= 0 && fd != connection[0]);
    CU_ASSERT_EQUAL(write(fd, "!", 1), 1);
    CU_ASSERT_EQUAL(read(connection[1], &byte, 1), 1);
    CU_ASSERT_EQUAL(byte, '!');
    close(fd);
    finish();
}

static void handover_brings_watch_and_stop(void)
{
    begin();
    struct handover sent = a_turn(NULL), got;
    int fd;
    sent.kind = HANDOVER_WATCH;
    sent.form = VIEWER_EVENTS;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    CU_ASSERT(got.kind == HANDOVER_WATCH && got.form == VIEWER_EVENTS && got.after == 42 && fd >= 0 && !got.messages);
    close(fd);
    sent.form = VIEWER_FRAMES;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    /* A form that names the thread, without a thread. */
    CU_ASSERT_EQUAL(handover_receive(ends[0], arena, &got, &fd), ST_INVALID);
    sent.thread = "thread-\"1\"";
    sent.thread_twice = true;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    CU_ASSERT(got.form == VIEWER_FRAMES && got.thread_twice && !strcmp(got.thread, sent.thread));
    close(fd);
    sent.kind = HANDOVER_STOP;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, -1, arena), ST_OK);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    CU_ASSERT(got.kind == HANDOVER_STOP && fd == -1 && same(&got.turn, &sent.turn) && same(&got.user, &sent.user));
    finish();
}

static void handover_carries_long_histories(void)
{
    begin();
    size_t n = 20 << 20;
    char *messages = arena_alloc(arena, n + 1);
    struct handover sent = a_turn(messages), got;
    int fd;
    CU_ASSERT_FATAL(messages != NULL);
    memset(messages, ' ', n);
    messages[0] = '[';
    messages[n - 1] = ']';
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    CU_ASSERT_EQUAL(strlen(got.messages), n);
    close(fd);
    arena_reset(arena);
    n = 70 << 20;
    messages = arena_alloc(arena, n + 1);
    CU_ASSERT_FATAL(messages != NULL);
    memset(messages, ' ', n);
    sent.messages = messages;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_TOO_LARGE);
    finish();
}

static void handover_never_waits(void)
{
    begin();
    struct handover sent = a_turn("[]"), got;
    int fd, queued = 0, taken = 0;
    CU_ASSERT_EQUAL(handover_receive(ends[0], arena, &got, &fd), ST_NOT_FOUND);
    while (handover_send(ends[1], &sent, connection[0], arena) == ST_OK && queued < 100000)
        queued++;
    CU_ASSERT(queued >= 64 && queued < 100000);
    for (enum status status; (status = handover_receive(ends[0], arena, &got, &fd)) != ST_NOT_FOUND; taken++) {
        CU_ASSERT_EQUAL_FATAL(status, ST_OK);
        close(fd);
        arena_reset(arena);
    }
    CU_ASSERT_EQUAL(taken, queued);
    finish();
}

static void handover_outlives_who_sent_it(void)
{
    begin();
    struct handover sent = a_turn("[]"), got;
    int fd;
    CU_ASSERT_EQUAL(handover_send(ends[1], &sent, connection[0], arena), ST_OK);
    close(ends[1]);
    CU_ASSERT_EQUAL_FATAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    close(fd);
    CU_ASSERT_EQUAL(handover_receive(ends[0], arena, &got, &fd), ST_UNAVAILABLE);
    ends[1] = dup(ends[0]);
    finish();
}

/* A memfd with that text. */
static int a_file(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

/* A message made by hand. */
static void send_raw(const char *bytes, size_t n, const int *fds, unsigned count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * 32)];
    } control = {0};
    char copy[16] = {0};
    memcpy(copy, bytes, n);
    struct iovec piece = {.iov_base = copy, .iov_len = n};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    }
    CU_ASSERT_EQUAL(sendmsg(ends[1], &message, MSG_DONTWAIT), (ssize_t)n);
}

static void expect_refused(const char *what)
{
    struct handover got;
    int fd;
    enum status status = handover_receive(ends[0], arena, &got, &fd);
    CU_assertImplementation(status == ST_INVALID && fd == -1, __LINE__, what, __FILE__, "", CU_FALSE);
    CU_ASSERT_EQUAL(handover_receive(ends[0], arena, &got, &fd), ST_NOT_FOUND);
    arena_reset(arena);
}

static void handover_refuses_wrong_descriptors(void)
{
    begin();
    int file = a_file("{}\n"), many[32];
    for (unsigned i = 0; i < 32; i++)
        many[i] = file;
    send_raw("T", 1, NULL, 0);
    expect_refused("no descriptor");
    send_raw("T", 1, many, 1);
    expect_refused("no connection");
    send_raw("T", 1, many, 2);
    expect_refused("a file as a connection");
    send_raw("T", 1, (int[]){connection[0], connection[0]}, 2);
    expect_refused("a connection as a file");
    send_raw("T", 1, (int[]){file, connection[0], connection[0]}, 3);
    expect_refused("one too many");
    send_raw("S", 1, (int[]){file, connection[0]}, 2);
    expect_refused("a stop with a connection");
    send_raw("T", 1, many, 30);
    expect_refused("more than there is room for");
    send_raw("X", 1, (int[]){file, connection[0]}, 2);
    expect_refused("an unknown kind");
    send_raw("", 1, (int[]){file, connection[0]}, 2);
    expect_refused("the kind NUL");
    send_raw("TT", 2, (int[]){file, connection[0]}, 2);
    expect_refused("two kinds");
    send_raw("TTTTTTT", 7, (int[]){file, connection[0]}, 2);
    expect_refused("a long message");
    close(file);
    finish();
}

#define U3                        "\"user_id\":\"" ID "\",\"session_id\":\"" ID "\",\"turn_id\":\"" ID "\",\"request\":null"
#define FORM(form, thread, twice) "\"form\":" form ",\"thread\":" thread ",\"thread_twice\":" twice
#define EVENTS                    FORM("\"events\"", "null", "false")
#define V4_OF(form, thread, twice)                                                                                     \
    ",\"request_id\":1," FORM(form, thread, twice) ",\"headers\":\"\",\"id_base\":0,\"after\":0"
#define V4 V4_OF("\"events\"", "null", "false")
#define T5 ",\"message_id\":\"" ID "\",\"user_message_id\":\"" ID "\",\"title\":null,\"created\":true,\"model\":null"

static void handover_refuses_wrong_files(void)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "{}",
        "{}\n[]",
        "[]\n[]",
        "null\n[]",
        "{" U3 V4 T5 "}[]",
        "{" U3 V4 T5 "}\n",
        "{" U3 V4 T5 "}\n[",
        "{" U3 V4 T5 "}\n{}",
        "{" U3 V4 "}\n[]",
        "{" U3 T5 "}\n[]",
        "{" U3 V4 T5 ",}\n[]",
        "{\"user_id\":\"x\",\"session_id\":\"" ID "\",\"turn_id\":\"" ID "\"" V4 T5 "}\n[]",
        "{\"user_id\":7,\"session_id\":\"" ID "\",\"turn_id\":\"" ID "\"" V4 T5 "}\n[]",
        "{" U3 ",\"request_id\":0," EVENTS ",\"headers\":\"\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":65536," EVENTS ",\"headers\":\"\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1.5," EVENTS ",\"headers\":\"\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 V4_OF("null", "null", "false") T5 "}\n[]",
        "{" U3 V4_OF("\"odd\"", "null", "false") T5 "}\n[]",
        "{" U3 V4_OF("\"reply\"", "null", "false") T5 "}\n[]",
        "{" U3 V4_OF("\"json\"", "null", "0") T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":null,\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"\",\"id_base\":0,\"after\":-1" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"\",\"id_base\":-1,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"\",\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"\\r\\n\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"A: b\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"A: b\\n\",\"id_base\":0,\"after\":0" T5 "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"A: b\\r\\n\\r\\nC: d\\r\\n\",\"id_base\":0,\"after\":0" T5
        "}\n[]",
        "{" U3 ",\"request_id\":1," EVENTS ",\"headers\":\"no colon\\r\\n\",\"id_base\":0,\"after\":0" T5 "}\n[]",
    };
    begin();
    int file = a_file("{" U3 V4 T5 "}\n[]"), fd;
    struct handover got;
    send_raw("T", 1, (int[]){file, connection[0]}, 2);
    CU_ASSERT_EQUAL(handover_receive(ends[0], arena, &got, &fd), ST_OK);
    close(fd);
    send_raw("W", 1, (int[]){file, connection[0]}, 2);
    expect_refused("messages where there should be none");
    close(file);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        file = a_file(wrong[i]);
        send_raw("T", 1, (int[]){file, connection[0]}, 2);
        close(file);
        expect_refused(wrong[i]);
    }
    file = a_file("");
    CU_ASSERT_EQUAL(ftruncate(file, 65L << 20), 0);
    send_raw("T", 1, (int[]){file, connection[0]}, 2);
    close(file);
    expect_refused("a long file");
    finish();
}

void suite_handover(void)
{
    CU_pSuite suite = CU_add_suite("handover", NULL, NULL);
    UNIT_TEST(suite, handover_brings_the_turn_and_the_connection);
    UNIT_TEST(suite, handover_brings_watch_and_stop);
    UNIT_TEST(suite, handover_carries_long_histories);
    UNIT_TEST(suite, handover_never_waits);
    UNIT_TEST(suite, handover_outlives_who_sent_it);
    UNIT_TEST(suite, handover_refuses_wrong_descriptors);
    UNIT_TEST(suite, handover_refuses_wrong_files);
}
