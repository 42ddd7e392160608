/* One connection at a time, one thread: enough for a program that has one connection. */
#include "proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static _Atomic enum proxy_mode mode;
static struct sockaddr_un server = {.sun_family = AF_UNIX};
static int listener;

/* Passes what is there from one side to the other; false when the line is to be closed. */
static bool pass(int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));
    if (n <= 0)
        return false;
    return write(to, bytes, (size_t)n) == n;
}

/* Lets a request through to its end, and waits until the server has answered. */
static void swallow_answer(int client, int upstream)
{
    struct pollfd answer = {.fd = upstream, .events = POLLIN};
    struct pollfd rest = {.fd = client, .events = POLLIN};
    while (pass(client, upstream) && poll(&rest, 1, 50) > 0)
        continue;
    poll(&answer, 1, 5000);
    usleep(50000);
}

static void serve(int client, int upstream)
{
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = upstream, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            return;
        if (fds[0].revents) {
            enum proxy_mode now = mode;
            if (now == PROXY_CUT_ANSWER || now == PROXY_CUT_REQUEST)
                mode = PROXY_PASS;
            if (now == PROXY_CUT_REQUEST)
                return;
            if (now == PROXY_CUT_ANSWER) {
                swallow_answer(client, upstream);
                return;
            }
            if (!pass(client, upstream))
                return;
        }
        if (fds[1].revents && !pass(upstream, client))
            return;
    }
}

static void *run(void *unused)
{
    (void)unused;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            return NULL;
        struct pollfd gone = {.fd = client, .events = POLLRDHUP};
        int upstream = socket(AF_UNIX, SOCK_STREAM, 0);
        if (mode == PROXY_SILENT)
            poll(&gone, 1, 5000);
        else if (!connect(upstream, (struct sockaddr *)&server, sizeof(server)))
            serve(client, upstream);
        close(upstream);
        close(client);
    }
}

int proxy_start(const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    pthread_t thread;
    snprintf(server.sun_path, sizeof(server.sun_path), "%s", path);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8) ||
        getsockname(listener, (struct sockaddr *)&address, &length) || pthread_create(&thread, NULL, run, NULL))
        return -1;
    return ntohs(address.sin_port);
}

void proxy_set(enum proxy_mode wanted)
{
    mode = wanted;
}
