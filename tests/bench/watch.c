/*
 * Watches many streams at once and says how late they are: for measuring, with bench_model as the model.
 *
 *   bench_watch PORT PATH STREAMS RAMP_MS TOKENS_FILE
 *
 * Opens STREAMS connections over RAMP_MS, POSTs a text on each (with the access tokens of the file, a line each, in
 * turn), reads server-sent events to the end and prints one line of key=value: how many streams ended well, events and
 * tokens, and in microseconds the lateness of the first token and of all tokens behind their time stamps, and the gaps
 * between two reads of a stream: p50, p99, max.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCESS_MAX  2000
#define SAMPLES_MAX 40000000
#define TAIL        64

struct watcher {
    int fd;
    int64_t last;
    unsigned seen; /* tokens */
    int ended;     /* "done" or [DONE] came */
    char tail[TAIL];
    size_t tail_len;
};

struct samples {
    int32_t *value;
    size_t count;
};

static struct samples firsts, delays, gaps;
static unsigned long events_seen;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(struct samples *samples, int64_t value)
{
    if (samples->count < SAMPLES_MAX)
        samples->value[samples->count++] = (int32_t)value;
}

/* What one read brought: every "t=<digits> " is a token, every "data: " an event. */
static void take(struct watcher *watcher, const char *bytes, size_t n, int64_t now)
{
    static char joined[TAIL + 65536 + 1];
    memcpy(joined, watcher->tail, watcher->tail_len);
    memcpy(joined + watcher->tail_len, bytes, n);
    size_t len = watcher->tail_len + n, from = 0;
    joined[len] = '\0';
    for (char *at = joined; (at = strstr(at, "t=")); at++) {
        char *end;
        int64_t stamp = strtoll(at + 2, &end, 10);
        if (!*end)
            break; /* cut: the next read brings the rest */
        if (*end != ' ' || end - at < 8)
            continue;
        note(watcher->seen++ ? &delays : &firsts, now - stamp);
        from = (size_t)(end - joined);
    }
    for (char *at = joined + watcher->tail_len; (at = strstr(at, "data: ")); at++)
        events_seen++;
    watcher->ended |= strstr(joined, "\"type\":\"done\"") || strstr(joined, "[DONE]");
    size_t keep = len - from < TAIL ? len - from : TAIL - 1;
    watcher->tail_len = keep;
    memcpy(watcher->tail, joined + len - keep, keep);
    if (watcher->last)
        note(&gaps, now - watcher->last);
    watcher->last = now;
}

static int start(int port, const char *path, const char *access)
{
    char request[2048];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int n = snprintf(
        request, sizeof(request),
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        "Content-Length: 14\r\nConnection: close\r\n\r\n{\"text\":\"now\"}",
        path, port, access);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        write(fd, request, (size_t)n) != n) {
        perror("bench_watch");
        exit(1);
    }
    return fd;
}

static int compare(const void *a, const void *b)
{
    return (*(const int32_t *)a > *(const int32_t *)b) - (*(const int32_t *)a < *(const int32_t *)b);
}

static void print(const char *name, struct samples *samples)
{
    qsort(samples->value, samples->count, sizeof(int32_t), compare);
    if (samples->count)
        printf(" %s_p50=%d %s_p99=%d %s_max=%d", name, samples->value[samples->count / 2], name,
               samples->value[samples->count * 99 / 100], name, samples->value[samples->count - 1]);
}

static unsigned read_access(const char *path, char *access[ACCESS_MAX])
{
    static char line[2048];
    unsigned count = 0;
    FILE *file = fopen(path, "r");
    while (file && count < ACCESS_MAX && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        access[count++] = strdup(line);
    }
    if (file)
        (void)fclose(file);
    return count;
}

int main(int argc, char **argv)
{
    static char bytes[65536];
    static char *access[ACCESS_MAX];
    struct epoll_event events[256];
    if (argc != 6)
        return 2;
    int port = atoi(argv[1]), wanted = atoi(argv[3]), started = 0, open = 0;
    int64_t ramp_us = (int64_t)atoi(argv[4]) * 1000, begin = now_us();
    unsigned users = read_access(argv[5], access), well = 0, tokens = 0;
    struct watcher *watchers = calloc((size_t)wanted, sizeof(*watchers));
    firsts.value = malloc(sizeof(int32_t) * (size_t)(wanted + 1));
    delays.value = malloc(sizeof(int32_t) * SAMPLES_MAX);
    gaps.value = malloc(sizeof(int32_t) * SAMPLES_MAX);
    struct rlimit files = {20000, 20000};
    (void)setrlimit(RLIMIT_NOFILE, &files);
    int epoll = epoll_create1(0);
    if (!users || !watchers || !firsts.value || !delays.value || !gaps.value)
        return 1;

    while (started < wanted || open) {
        while (started < wanted && now_us() - begin >= ramp_us * started / wanted) {
            watchers[started].fd = start(port, argv[2], access[(unsigned)started % users]);
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = &watchers[started++]};
            epoll_ctl(epoll, EPOLL_CTL_ADD, watchers[started - 1].fd, &event);
            open++;
        }
        int n = epoll_wait(epoll, events, 256, 2);
        for (int i = 0; i < n; i++) {
            struct watcher *watcher = events[i].data.ptr;
            ssize_t got = read(watcher->fd, bytes, sizeof(bytes));
            if (got > 0) {
                take(watcher, bytes, (size_t)got, now_us());
                continue;
            }
            close(watcher->fd);
            open--;
            well += watcher->ended != 0;
            tokens += watcher->seen;
        }
    }
    printf("streams=%d well=%u events=%lu tokens=%u seconds=%.1f", wanted, well, events_seen, tokens,
           (double)(now_us() - begin) / 1e6);
    print("first", &firsts);
    print("delay", &delays);
    print("gap", &gaps);
    printf("\n");
    return well == (unsigned)wanted ? 0 : 1;
}
