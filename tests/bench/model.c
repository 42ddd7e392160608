/*
 * A model server for measuring streams: answers every POST with K tokens, one every so many milliseconds. A token is
 * "t=<microseconds> ", the monotonic clock when it was written, so that whoever reads it knows how long it took. One
 * process, epoll and one heap-less ring of ticks: all streams of one phase are served by one tick.
 *
 *   bench_model PORT TOKENS INTERVAL_MS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 12000

struct stream {
    int fd; /* 0: free */
    int left;
    int64_t next; /* when its next token is due; 0: the request has not come yet */
    size_t matched;
};

static struct stream streams[STREAMS_MAX];
static int tokens;
static int64_t interval_us;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void end(int epoll, struct stream *stream)
{
    epoll_ctl(epoll, EPOLL_CTL_DEL, stream->fd, NULL);
    close(stream->fd);
    *stream = (struct stream){0};
}

static void accept_all(int epoll, int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct stream *stream = streams;
        while (stream < streams + STREAMS_MAX && stream->fd)
            stream++;
        if (stream == streams + STREAMS_MAX) {
            close(fd);
            continue;
        }
        *stream = (struct stream){.fd = fd};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* The request is over at its end of head: bodies here are small and come along. */
static void read_request(int epoll, struct stream *stream)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    char bytes[65536];
    ssize_t n = read(stream->fd, bytes, sizeof(bytes));
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            end(epoll, stream);
        return;
    }
    for (ssize_t i = 0; i < n && stream->matched < 4; i++)
        stream->matched = bytes[i] == "\r\n\r\n"[stream->matched] ? stream->matched + 1 : bytes[i] == '\r';
    if (stream->matched < 4 || stream->next)
        return;
    stream->left = tokens;
    stream->next = now_us() + (int64_t)(random() % interval_us);
    if (write(stream->fd, head, sizeof(head) - 1) < 0)
        end(epoll, stream);
}

static void say(int epoll, struct stream *stream, int64_t now)
{
    char line[256];
    int n =
        stream->left > 0
            ? snprintf(line, sizeof(line),
                       "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t=%lld \"}}]}\n\n", (long long)now)
            : snprintf(
                  line, sizeof(line),
                  "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    if (write(stream->fd, line, (size_t)n) != n || stream->left == 0) {
        end(epoll, stream);
        return;
    }
    stream->left--;
    stream->next += interval_us;
}

static int listen_on(int port)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 8192) != 0) {
        perror("bench_model");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    if (argc != 4)
        return 2;
    tokens = atoi(argv[2]);
    interval_us = (int64_t)atoi(argv[3]) * 1000;
    struct rlimit files = {STREAMS_MAX + 100, STREAMS_MAX + 100};
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)signal(SIGPIPE, SIG_IGN);
    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, 2);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all(epoll, listener);
            else
                read_request(epoll, events[i].data.ptr);
        }
        int64_t now = now_us();
        for (struct stream *stream = streams; stream < streams + STREAMS_MAX; stream++)
            if (stream->fd && stream->next && stream->next <= now)
                say(epoll, stream, now);
    }
}
