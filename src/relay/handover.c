/*
 * Handing a connection over.
 *
 * What the file holds: one line with a JSON object, and behind its newline, for HANDOVER_TURN, the model's messages as
 * they came from the database. They stay out of the object because they may be long and are nobody's to read here: they
 * go to the model as they are.
 *
 * What must stay true: nothing here waits; a message is taken whole or not at all; every descriptor that came with a
 * message which cannot be read is closed here.
 */
#include "relay/handover.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"

#define FILE_MAX       (64L << 20)
#define REQUEST_ID_MAX 65535
#define SOCKET_BUFFER  (1 << 20)
#define SENT_MAX       2 /* descriptors of a message */
#define TAKEN_MAX      8 /* and as many as a wrong one may bring without being cut off */

/* The kind's byte. */
static const char kind_bytes[] = {[HANDOVER_TURN] = 'T', [HANDOVER_WATCH] = 'W', [HANDOVER_STOP] = 'S'};

/* The viewer's forms, as they travel. */
static const char *const form_names[] = {
    [VIEWER_EVENTS] = "events", [VIEWER_JSON] = "json", [VIEWER_FRAMES] = "frames", [VIEWER_REPLY] = "reply"};

/* Room for descriptors beside a message, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * TAKEN_MAX)];
};

enum status handover_pair(int ends[2])
{
    static const int size = SOCKET_BUFFER;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return ST_UNAVAILABLE;
    /* How many may wait depends on the senders' buffer; the system's limit for it is enough too. */
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return ST_OK;
}

static void write_head(const struct handover *handover, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_put_text(&writer, "user_id", handover->user.text);
    json_put_text(&writer, "session_id", handover->session.text);
    json_put_text(&writer, "turn_id", handover->turn.text);
    json_put_text(&writer, "request", handover->request);
    if (handover->kind != HANDOVER_STOP) {
        json_put_int(&writer, "request_id", handover->request_id);
        json_put_text(&writer, "form", form_names[handover->form]);
        json_put_text(&writer, "thread", handover->thread);
        json_put_bool(&writer, "thread_twice", handover->thread_twice);
        json_put_text(&writer, "headers", handover->headers);
        json_put_int(&writer, "id_base", handover->id_base);
        json_put_int(&writer, "after", handover->after);
    }
    if (handover->kind == HANDOVER_TURN) {
        json_put_text(&writer, "message_id", handover->message.text);
        json_put_text(&writer, "user_message_id", handover->user_message.text);
        json_put_text(&writer, "title", handover->title);
        json_put_bool(&writer, "created", handover->created);
        json_put_text(&writer, "model", handover->model);
    }
    json_end_object(&writer);
    buf_add_char(out, '\n');
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

/* An anonymous file with head and messages; -1: no room. */
static int make_file(const struct buf *head, const char *messages)
{
    int fd = memfd_create("parley-handover", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (write_all(fd, head->data, head->len) && write_all(fd, messages, strlen(messages)))
        return fd;
    close(fd);
    return -1;
}

/* One message: the kind, the file and, if there is one, the connection. */
static enum status send_message(int socket, enum handover_kind kind, int file, int connection)
{
    union control control = {0};
    int fds[SENT_MAX] = {file, connection};
    size_t size = sizeof(int) * (connection >= 0 ? 2 : 1);
    char byte = kind_bytes[kind];
    struct iovec piece = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds, size);
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == 1 ? ST_OK : ST_UNAVAILABLE;
}

enum status handover_send(int socket, const struct handover *handover, int connection, struct arena *arena)
{
    struct buf head;
    const char *messages = handover->kind == HANDOVER_TURN ? handover->messages : "";
    buf_init(&head, arena);
    write_head(handover, &head);
    if (head.failed)
        return ST_UNAVAILABLE;
    if (head.len + strlen(messages) > FILE_MAX)
        return ST_TOO_LARGE;
    int file = make_file(&head, messages);
    if (file < 0) {
        log_event(LOG_LEVEL_ERROR, "handover_failed", log_str("error", strerror(errno)));
        return ST_UNAVAILABLE;
    }
    enum status status = send_message(socket, handover->kind, file, connection);
    if (status != ST_OK)
        log_event(LOG_LEVEL_ERROR, "handover_failed", log_str("error", strerror(errno)));
    close(file);
    return status;
}

/* What came with one message. */
struct parcel {
    char kind;
    int fd[TAKEN_MAX];
    unsigned fds;
    bool whole; /* one byte of kind, and no descriptor was cut off */
};

static void parcel_close(struct parcel *parcel)
{
    while (parcel->fds)
        close(parcel->fd[--parcel->fds]);
}

static void take_descriptors(struct msghdr *message, struct parcel *parcel)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (parcel->fds < TAKEN_MAX)
                parcel->fd[parcel->fds++] = fd;
            else
                close(fd);
        }
    }
}

static enum status take_parcel(int socket, struct parcel *parcel)
{
    union control control = {0};
    char bytes[2] = {0};
    struct iovec piece = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? ST_NOT_FOUND : ST_UNAVAILABLE;
    *parcel = (struct parcel){.kind = bytes[0], .whole = got == 1 && !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC))};
    take_descriptors(&message, parcel);
    if (got == 0 && !parcel->fds)
        return ST_UNAVAILABLE;
    return ST_OK;
}

static bool is_kind(int fd, mode_t kind, off_t *size)
{
    struct stat file;
    if (fstat(fd, &file) != 0 || (file.st_mode & S_IFMT) != kind)
        return false;
    *size = file.st_size;
    return true;
}

/* The file's bytes with a NUL behind them; NULL: not such a file, too long, or memory is out. */
static char *read_file(int fd, struct arena *arena, size_t *n)
{
    off_t size;
    if (!is_kind(fd, S_IFREG, &size) || size < 1 || size > FILE_MAX)
        return NULL;
    char *bytes = arena_alloc(arena, (size_t)size + 1);
    for (*n = 0; bytes && *n < (size_t)size;) {
        ssize_t got = pread(fd, bytes + *n, (size_t)size - *n, (off_t)*n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NULL;
        *n += (size_t)got;
    }
    return bytes;
}

static bool take_uuid(const struct json *head, const char *key, struct uuid *uuid)
{
    const struct json *value = json_member(head, key);
    return value && json_type(value) == JSON_STRING && uuid_parse(uuid, json_string(value, NULL));
}

/* A text, or NULL where null is allowed. */
static bool take_text(const struct json *head, const char *key, bool optional, const char **text)
{
    const struct json *value = json_member(head, key);
    *text = NULL;
    if (!value || json_type(value) == JSON_NULL)
        return optional;
    if (json_type(value) != JSON_STRING)
        return false;
    *text = json_string(value, NULL);
    return true;
}

static bool take_bool(const struct json *head, const char *key, bool *is)
{
    const struct json *value = json_member(head, key);
    if (!value || json_type(value) != JSON_BOOL)
        return false;
    *is = json_bool(value);
    return true;
}

static bool take_int(const struct json *head, const char *key, int64_t min, int64_t max, int64_t *number)
{
    const struct json *value = json_member(head, key);
    if (!value || json_type(value) != JSON_INT)
        return false;
    *number = json_int(value);
    return *number >= min && *number <= max;
}

/* Whole header lines and nothing else: no empty line that would end the header, no other control character. */
static bool is_headers(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        if (!n || strncmp(text + n, "\r\n", 2) != 0 || !memchr(text, ':', n))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                return false;
        text += n + 2;
    }
    return true;
}

static bool take_form(const struct json *head, enum viewer_form *form)
{
    const char *name;
    if (!take_text(head, "form", false, &name))
        return false;
    for (unsigned i = 0; i < sizeof(form_names) / sizeof(form_names[0]); i++) {
        *form = (enum viewer_form)i;
        if (strcmp(name, form_names[i]) == 0)
            return true;
    }
    return false;
}

/* What all that bring a connection say of it. */
static bool take_viewer(const struct json *head, struct handover *handover)
{
    int64_t request_id, id_base, after;
    if (!take_int(head, "request_id", 1, REQUEST_ID_MAX, &request_id) || !take_form(head, &handover->form) ||
        !take_text(head, "thread", handover->form == VIEWER_EVENTS || handover->form == VIEWER_JSON,
                   &handover->thread) ||
        !take_bool(head, "thread_twice", &handover->thread_twice) ||
        !take_text(head, "headers", false, &handover->headers) || !is_headers(handover->headers) ||
        !take_int(head, "id_base", 0, HANDOVER_ID_MAX, &id_base) ||
        !take_int(head, "after", 0, HANDOVER_ID_MAX, &after))
        return false;
    handover->request_id = (unsigned)request_id;
    handover->id_base = (long)id_base;
    handover->after = (long)after;
    return true;
}

static bool take_turn(const struct json *head, const char *messages, size_t n, struct handover *handover)
{
    if (n < 2 || messages[0] != '[' || messages[n - 1] != ']' || memchr(messages, '\0', n))
        return false;
    handover->messages = messages;
    return take_uuid(head, "message_id", &handover->message) &&
           take_uuid(head, "user_message_id", &handover->user_message) &&
           take_text(head, "title", true, &handover->title) && take_bool(head, "created", &handover->created) &&
           take_text(head, "model", true, &handover->model);
}

static bool take_file(int file, enum handover_kind kind, struct arena *arena, struct handover *handover)
{
    size_t n;
    char *bytes = read_file(file, arena, &n);
    const char *end = bytes ? memchr(bytes, '\n', n) : NULL;
    const struct json *head;
    struct json_error error;
    if (!end || json_parse(arena, bytes, (size_t)(end - bytes), &head, &error) != ST_OK ||
        json_type(head) != JSON_OBJECT)
        return false;
    const char *messages = end + 1;
    size_t messages_len = (size_t)(bytes + n - messages);
    *handover = (struct handover){.kind = kind};
    if (!take_uuid(head, "user_id", &handover->user) || !take_uuid(head, "session_id", &handover->session) ||
        !take_uuid(head, "turn_id", &handover->turn) || !take_text(head, "request", true, &handover->request))
        return false;
    if (kind != HANDOVER_TURN && messages_len)
        return false;
    if (kind != HANDOVER_STOP && !take_viewer(head, handover))
        return false;
    return kind != HANDOVER_TURN || take_turn(head, messages, messages_len, handover);
}

/* Whether the parcel is one of ours: kind and descriptors fit. */
static bool is_sound(const struct parcel *parcel, enum handover_kind *kind)
{
    const char *at = parcel->kind ? memchr(kind_bytes, parcel->kind, sizeof(kind_bytes)) : NULL;
    off_t size;
    if (!parcel->whole || !at)
        return false;
    *kind = (enum handover_kind)(at - kind_bytes);
    if (*kind == HANDOVER_STOP)
        return parcel->fds == 1;
    return parcel->fds == 2 && is_kind(parcel->fd[1], S_IFSOCK, &size);
}

enum status handover_receive(int socket, struct arena *arena, struct handover *handover, int *connection)
{
    struct parcel parcel;
    enum handover_kind kind;
    *connection = -1;
    enum status status = take_parcel(socket, &parcel);
    if (status != ST_OK)
        return status;
    if (!is_sound(&parcel, &kind) || !take_file(parcel.fd[0], kind, arena, handover)) {
        log_event(LOG_LEVEL_ERROR, "handover_unreadable", log_int("descriptors", parcel.fds));
        parcel_close(&parcel);
        return ST_INVALID;
    }
    if (parcel.fds == 2)
        *connection = parcel.fd[--parcel.fds];
    parcel_close(&parcel);
    return ST_OK;
}
