/*
 * FastCGI requests in, answers out. The only user of libfcgi.
 *
 * libfcgi reads: parameters and bodies. Connections are accepted here, so that time limits are on them before the first
 * byte is read, and answers are framed here: one system call for most, and no lingering close. Why that is safe: the
 * body is drained to its end first, so that closing never throws unread bytes away, which would cut the answer at the
 * other side.
 *
 * What must stay true: libfcgi never accepts, never writes an answer, never closes an accepted connection that it did
 * not itself find broken; no connection serves two requests.
 */
#include "http/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/record.h"

#define PEER_SECONDS 10
#define DRAIN_MAX    (64L << 20)
#define BACKLOG      4096

struct fcgi {
    int listen_fd;
    int epoll_fd;
    bool active; /* a request is accepted and not yet answered */
    FCGX_Request request;
};

/* Whether a living process listens there already. A socket file that nobody listens on is removed. */
static enum status make_room(const struct sockaddr_un *address)
{
    struct stat file;
    if (lstat(address->sun_path, &file) != 0)
        return errno == ENOENT ? ST_OK : ST_UNAVAILABLE;
    if (!S_ISSOCK(file.st_mode))
        return ST_CONFLICT;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ST_UNAVAILABLE;
    bool dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!dead)
        return ST_CONFLICT;
    return unlink(address->sun_path) == 0 ? ST_OK : ST_UNAVAILABLE;
}

enum status fcgi_listen(const char *path, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof(address.sun_path))
        return ST_INVALID;
    memcpy(address.sun_path, path, strlen(path) + 1);
    enum status status = make_room(&address);
    if (status != ST_OK)
        return status;

    /* Nobody can connect before listen(), so the mode is right before it matters. */
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return ST_UNAVAILABLE;
    if (bind(made, (const struct sockaddr *)&address, sizeof(address)) != 0 || chmod(path, 0660) != 0 ||
        listen(made, BACKLOG) != 0) {
        status = errno == EADDRINUSE ? ST_CONFLICT : ST_UNAVAILABLE;
        log_event(LOG_LEVEL_ERROR, "listen_failed", log_str("path", path), log_str("error", strerror(errno)));
        close(made);
        return status;
    }
    *fd = made;
    return ST_OK;
}

/* FCGX_Init without the signal handlers that come with it. */
static bool init_library(void)
{
    static const int touched[] = {SIGPIPE, SIGUSR1, SIGTERM};
    struct sigaction before[sizeof(touched) / sizeof(touched[0])];
    for (unsigned i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
        sigaction(touched[i], NULL, &before[i]);
    bool ready = FCGX_Init() == 0;
    for (unsigned i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
        sigaction(touched[i], &before[i], NULL);
    return ready;
}

struct fcgi *fcgi_new(int listen_fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    int flags = fcntl(listen_fd, F_GETFL);
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) != 0 || !init_library())
        return NULL;
    struct fcgi *fcgi = calloc(1, sizeof(*fcgi));
    if (!fcgi)
        return NULL;
    fcgi->listen_fd = listen_fd;
    fcgi->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (fcgi->epoll_fd < 0 || epoll_ctl(fcgi->epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0) {
        fcgi_free(fcgi);
        return NULL;
    }
    FCGX_InitRequest(&fcgi->request, -1, 0);
    return fcgi;
}

/* Frees the request and leaves its connection alone: the descriptor is the caller's. */
static int release(struct fcgi *fcgi)
{
    int fd = fcgi->request.ipcFd;
    FCGX_Free(&fcgi->request, 0);
    FCGX_InitRequest(&fcgi->request, -1, 0);
    fcgi->active = false;
    return fd;
}

void fcgi_free(struct fcgi *fcgi)
{
    if (!fcgi)
        return;
    if (fcgi->active)
        close(release(fcgi));
    if (fcgi->epoll_fd >= 0)
        close(fcgi->epoll_fd);
    free(fcgi);
}

int fcgi_wait(struct fcgi *fcgi, int timeout_ms, const sigset_t *mask)
{
    struct epoll_event event;
    return epoll_pwait(fcgi->epoll_fd, &event, 1, timeout_ms, mask) == 1;
}

/* A connection with time limits on it; -1 with *status set. */
static int accept_connection(int listen_fd, enum status *status)
{
    static const struct timeval limit = {.tv_sec = PEER_SECONDS};
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        bool passing = errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
        *status = passing ? ST_NOT_FOUND : ST_UNAVAILABLE;
        if (!passing)
            log_event(LOG_LEVEL_ERROR, "accept_failed", log_str("error", strerror(errno)));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

enum status fcgi_accept(struct fcgi *fcgi)
{
    enum status status = ST_OK;
    if (fcgi->active)
        close(release(fcgi));
    int fd = accept_connection(fcgi->listen_fd, &status);
    if (fd < 0)
        return status;

    /* "Kept" keeps libfcgi from closing the connection first and accepting one of its own; "detached" from lingering
     * where it finds no request on it. Then it closes the connection and fails on the listening socket, which it was
     * given as -1. */
    fcgi->request.ipcFd = fd;
    fcgi->request.keepConnection = 1;
    fcgi->request.detached = 1;
    bool taken = FCGX_Accept_r(&fcgi->request) == 0;
    fcgi->request.keepConnection = 0;

    /* Parameters that end in the middle look whole to libfcgi: only the stream knows. */
    if (taken && FCGX_GetError(fcgi->request.in) != 0) {
        close(release(fcgi));
        taken = false;
    }
    if (!taken) {
        log_event(LOG_LEVEL_INFO, "not_a_fastcgi_request", log_int("fd", fd));
        FCGX_InitRequest(&fcgi->request, -1, 0);
        return ST_NOT_FOUND;
    }
    fcgi->active = true;
    return ST_OK;
}

const char *const *fcgi_params(const struct fcgi *fcgi)
{
    static const char *const none[] = {NULL};
    return fcgi->active ? (const char *const *)fcgi->request.envp : none;
}

long fcgi_read(void *source, char *bytes, size_t n)
{
    struct fcgi *fcgi = source;
    if (!fcgi->active)
        return -1;
    int got = FCGX_GetStr(bytes, n > INT_MAX ? INT_MAX : (int)n, fcgi->request.in);
    return FCGX_GetError(fcgi->request.in) ? -1 : got;
}

/* Reads what is left of the body, within reason. */
static void drain(struct fcgi *fcgi)
{
    char scratch[16384];
    int64_t end = clock_monotonic_ms() + PEER_SECONDS * 1000;
    long total = 0;
    long got;
    do {
        got = fcgi_read(fcgi, scratch, sizeof(scratch));
        total += got;
    } while (got == sizeof(scratch) && total < DRAIN_MAX && clock_monotonic_ms() < end);
}

bool fcgi_send(struct fcgi *fcgi, const struct reply *reply)
{
    if (!fcgi->active)
        return false;
    drain(fcgi);
    unsigned request_id = (unsigned)fcgi->request.requestId;
    int fd = release(fcgi);
    bool taken = record_send(fd, request_id, reply);
    close(fd);
    return taken;
}

int fcgi_detach(struct fcgi *fcgi, unsigned *request_id)
{
    if (!fcgi->active)
        return -1;
    drain(fcgi);
    *request_id = (unsigned)fcgi->request.requestId;
    return release(fcgi);
}
