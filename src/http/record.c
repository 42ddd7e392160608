/*
 * Answers as FastCGI records, written straight to a connection.
 *
 * What must stay true: an answer is copied nowhere, only pointed at; records are padded to 8 bytes; one END_REQUEST
 * ends it.
 */
#include "http/record.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "http/reply.h"

/* A multiple of 8, so that full records need no padding. */
#define RECORD_MAX 65528
/* Records that go out in one call: 2 MB. */
#define OUT_RECORDS 32
/* Of each record its header, a piece and its padding; four more pieces where the parts of an answer meet. */
#define OUT_PIECES (OUT_RECORDS * 3 + 4)

/* An answer on its way: pieces of memory, framed as FCGI_STDOUT records. */
struct out {
    int fd;
    unsigned request_id;
    bool gone; /* the peer does not take it: nothing more is sent */
    bool open; /* whether the last record is unfinished */
    unsigned record_len;
    unsigned records;
    unsigned pieces;
    FCGI_Header header[OUT_RECORDS];
    struct iovec piece[OUT_PIECES];
};

FCGI_Header record_header(unsigned type, unsigned request_id, unsigned len)
{
    return (FCGI_Header){
        .version = FCGI_VERSION_1,
        .type = (unsigned char)type,
        .requestIdB1 = (unsigned char)(request_id >> 8),
        .requestIdB0 = (unsigned char)request_id,
        .contentLengthB1 = (unsigned char)(len >> 8),
        .contentLengthB0 = (unsigned char)len,
        .paddingLength = (unsigned char)(-len & 7),
    };
}

static void out_piece(struct out *out, const void *bytes, size_t n)
{
    /* iovec is for reading too and so not const; sendmsg only reads. */
    union {
        const void *from;
        void *to;
    } base = {.from = bytes};
    out->piece[out->pieces++] = (struct iovec){.iov_base = base.to, .iov_len = n};
}

/* Waits until the peer takes more. */
static bool is_writable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&poller, 1, RECORD_WAIT_SECONDS * 1000);
    } while (ready < 0 && errno == EINTR);
    return ready == 1 && !(poller.revents & (POLLERR | POLLNVAL));
}

/* Sends all pieces that are there. */
static void out_flush(struct out *out)
{
    struct msghdr message = {.msg_iov = out->piece, .msg_iovlen = out->pieces};
    while (message.msg_iovlen && !out->gone) {
        ssize_t sent = sendmsg(out->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno != EINTR && (errno != EAGAIN || !is_writable(out->fd)))
                out->gone = true;
            continue;
        }
        size_t left = (size_t)sent;
        while (message.msg_iovlen && left >= message.msg_iov->iov_len) {
            left -= message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (left) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + left;
            message.msg_iov->iov_len -= left;
        }
    }
    out->pieces = out->records = 0;
}

static void out_close_record(struct out *out)
{
    static const char zeros[8];
    FCGI_Header header = record_header(FCGI_STDOUT, out->request_id, out->record_len);
    out->header[out->records++] = header;
    out->open = false;
    if (header.paddingLength)
        out_piece(out, zeros, header.paddingLength);
    if (out->records == OUT_RECORDS)
        out_flush(out);
}

/* Adds bytes to the stream; they must stay until out_end. */
static void out_bytes(struct out *out, const char *bytes, size_t n)
{
    while (n && !out->gone) {
        if (!out->open) {
            out->open = true;
            out->record_len = 0;
            out_piece(out, &out->header[out->records], sizeof(FCGI_Header));
        }
        size_t take = RECORD_MAX - out->record_len;
        if (take > n)
            take = n;
        out_piece(out, bytes, take);
        out->record_len += (unsigned)take;
        bytes += take;
        n -= take;
        if (out->record_len == RECORD_MAX)
            out_close_record(out);
    }
}

/* The end of the stream and of the request. */
static void out_end(struct out *out)
{
    if (out->open)
        out_close_record(out);
    struct {
        FCGI_Header stream;
        FCGI_EndRequestRecord request;
    } end = {
        .stream = record_header(FCGI_STDOUT, out->request_id, 0),
        .request = {.header = record_header(FCGI_END_REQUEST, out->request_id, sizeof(FCGI_EndRequestBody)),
                    .body = {.protocolStatus = FCGI_REQUEST_COMPLETE}},
    };
    out_piece(out, &end, sizeof(end));
    out_flush(out);
}

/* Frames and sends one answer. False: the peer did not take it. */
static bool send_answer(int fd, unsigned request_id, const struct reply *reply)
{
    char first[64];
    char last[48] = "\r\n";
    bool never_body = reply->status == 204 || reply->status == 304;
    int first_len = snprintf(first, sizeof(first), "Status: %u %s\r\n", reply->status, reply_reason(reply->status));
    if (!never_body)
        snprintf(last, sizeof(last), "Content-Length: %zu\r\n\r\n", reply->body.len);

    struct out out = {.fd = fd, .request_id = request_id};
    out_bytes(&out, first, (size_t)first_len);
    out_bytes(&out, reply->headers.data, reply->headers.len);
    out_bytes(&out, last, strlen(last));
    if (!never_body && !reply->no_body)
        out_bytes(&out, reply->body.data, reply->body.len);
    out_end(&out);
    return !out.gone;
}

/* The answer when there is no memory for a better one. */
static bool send_unavailable(int fd, unsigned request_id, bool no_body)
{
    static char headers[] = "Content-Type: application/problem+json\r\nCache-Control: no-store\r\nRetry-After: 1\r\n";
    static char body[] =
        "{\"type\":\"urn:parley:problem:unavailable\",\"title\":\"Service Unavailable\",\"status\":503,"
        "\"code\":\"unavailable\"}";
    struct reply reply = {
        .status = 503,
        .headers = {.data = headers, .len = sizeof(headers) - 1},
        .body = {.data = body, .len = sizeof(body) - 1},
        .no_body = no_body,
    };
    return send_answer(fd, request_id, &reply);
}

bool record_send(int fd, unsigned request_id, const struct reply *reply)
{
    if (!reply->status || !reply_ok(reply))
        return send_unavailable(fd, request_id, reply->no_body);
    return send_answer(fd, request_id, reply);
}
