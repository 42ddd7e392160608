/*
 * Posting a request and reading the answer: the only user of libcurl, by its multi handle and its sockets in the loop.
 *
 * What must stay true: curl's handles are left alone while curl runs (`inside`); what was stopped meanwhile is buried
 * right after. Nothing here can block: names are looked up by a thread of curl's, which is left behind when a transfer
 * ends before it.
 */
#include "relay/transfer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "relay/loop.h"

#define CONNECTIONS     64U   /* kept open for the next request */
#define BUFFER          2048L /* of a transfer, for reading */
#define UPLOAD_BUFFER   16384L
#define HEADERS_MAX     ((size_t)64 * 1024)
#define RETRY_AFTER_MAX 86400

struct transfers {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;    /* curl's own */
    struct curl_slist *headers; /* of every request */
    char *url;
    unsigned idle;   /* connections that may be kept open, at most */
    unsigned inside; /* how deep curl runs */
    struct transfer *all;
    bool any_dead;
};

struct transfer {
    struct transfers *transfers;
    struct transfer *next, **link; /* in transfers->all */
    CURL *easy;
    const struct transfer_events *events;
    void *owner;
    size_t len;
    size_t header_bytes;
    bool odd;  /* it came with headers that are not taken */
    bool dead; /* stopped while curl ran */
};

/* A descriptor of curl's. */
struct curl_watch {
    struct loop_watch watch;
    struct transfers *transfers;
};

static void transfer_free(struct transfer *transfer)
{
    *transfer->link = transfer->next;
    if (transfer->next)
        transfer->next->link = transfer->link;
    if (transfer->easy) {
        curl_multi_remove_handle(transfer->transfers->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    free(transfer);
}

/* --- what came of it --- */

static enum transfer_how judge(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return TRANSFER_WHOLE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return TRANSFER_BROKEN;
    case CURLE_PEER_FAILED_VERIFICATION:
        return TRANSFER_UNPROVEN;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, that is, anything */
        return TRANSFER_UNREADABLE;
    case CURLE_WRITE_ERROR:
        return TRANSFER_DROPPED;
    default:
        return TRANSFER_FAILED;
    }
}

static void read_end(const struct transfer *transfer, CURLcode code, struct transfer_end *end)
{
    curl_off_t seconds = 0;
    *end = (struct transfer_end){.how = judge(code)};
    if (transfer->odd)
        end->how = TRANSFER_UNREADABLE;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &end->status);
    if (end->status == 429)
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0)
        end->retry_after = seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (unsigned)seconds;
}

static void bury(struct transfers *transfers)
{
    if (!transfers->any_dead)
        return;
    transfers->any_dead = false;
    for (struct transfer *transfer = transfers->all, *next; transfer; transfer = next) {
        next = transfer->next;
        if (transfer->dead)
            transfer_free(transfer);
    }
}

/* Runs curl for a descriptor or its timer, then buries what was stopped and tells what is over. */
static void run(struct transfers *transfers, curl_socket_t fd, int action)
{
    CURLMsg *message;
    int running, left;
    transfers->inside++;
    curl_multi_socket_action(transfers->multi, fd, action, &running);
    transfers->inside--;
    bury(transfers);
    while ((message = curl_multi_info_read(transfers->multi, &left))) {
        struct transfer *transfer = NULL;
        struct transfer_end end;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        if (message->msg != CURLMSG_DONE || !transfer)
            continue;
        const struct transfer_events *events = transfer->events;
        void *owner = transfer->owner;
        read_end(transfer, message->data.result, &end);
        if (end.how == TRANSFER_WHOLE && transfers->idle < CONNECTIONS)
            transfers->idle++;
        transfer_free(transfer);
        events->over(owner, &end);
    }
}

/* --- what curl calls --- */

static int on_connected(void *owner, char *address, char *local, int port, int local_port)
{
    const struct transfer *transfer = owner;
    (void)address, (void)local, (void)port, (void)local_port;
    bool go_on = !transfer->dead && transfer->events->asked(transfer->owner);
    return go_on ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Whether the body would come packed, which nobody asked for: curl unpacks that all the same, and a few bytes then keep
 * the loop busy for as long as their sender likes. */
static bool is_packed(const char *line, size_t n)
{
    static const char name[] = "Transfer-Encoding:";
    size_t at = sizeof(name) - 1;
    if (n < at || strncasecmp(line, name, at) != 0)
        return false;
    while (at < n && strchr(" \t", line[at]) && line[at])
        at++;
    while (n > at && strchr(" \t\r\n", line[n - 1]) && line[n - 1])
        n--;
    bool chunked = n - at == strlen("chunked") && strncasecmp(line + at, "chunked", n - at) == 0;
    bool identity = n - at == strlen("identity") && strncasecmp(line + at, "identity", n - at) == 0;
    return !chunked && !identity;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *owner)
{
    struct transfer *transfer = owner;
    transfer->header_bytes += size * n;
    transfer->odd |= transfer->header_bytes > HEADERS_MAX || is_packed(bytes, size * n);
    return transfer->odd ? 0 : size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *owner)
{
    const struct transfer *transfer = owner;
    long status = 0;
    n *= size;
    if (transfer->dead)
        return 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return transfer->events->body(transfer->owner, status, bytes, n) && !transfer->dead ? n : 0;
}

static void on_ready(struct loop_watch *watch, uint32_t events)
{
    struct transfers *transfers =
        ((struct curl_watch *)((char *)watch - offsetof(struct curl_watch, watch)))->transfers;
    int action = 0;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        action |= CURL_CSELECT_IN;
    if (events & (EPOLLOUT | EPOLLERR))
        action |= CURL_CSELECT_OUT;
    run(transfers, watch->fd, action);
}

static void on_timer(struct loop_timer *timer)
{
    run((struct transfers *)((char *)timer - offsetof(struct transfers, timer)), CURL_SOCKET_TIMEOUT, 0);
}

/* curl says what to wait for. Without memory the transfer stands still, until its owner has had enough. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *known)
{
    static const uint32_t events[] = {
        [CURL_POLL_IN] = EPOLLIN, [CURL_POLL_OUT] = EPOLLOUT, [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT};
    struct transfers *transfers = owner;
    struct curl_watch *watch = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            loop_unwatch(transfers->loop, &watch->watch);
        free(watch);
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof(*watch));
        if (!watch)
            return 0;
        *watch = (struct curl_watch){.watch = {.fd = fd, .ready = on_ready}, .transfers = transfers};
        curl_multi_assign(transfers->multi, fd, watch);
    }
    (void)loop_watch(transfers->loop, &watch->watch, events[what]);
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *owner)
{
    struct transfers *transfers = owner;
    (void)multi;
    (void)loop_set_timer(transfers->loop, &transfers->timer, ms < 0 ? INT64_MAX : clock_monotonic_ms() + ms);
    return 0;
}

/* --- for the owners --- */

static bool add_header(struct transfers *transfers, const char *line)
{
    struct curl_slist *headers = curl_slist_append(transfers->headers, line);
    if (headers)
        transfers->headers = headers;
    return headers != NULL;
}

static bool add_key(struct transfers *transfers, const char *key)
{
    char *line = NULL;
    int n = asprintf(&line, "Authorization: Bearer %s", key);
    if (n < 0)
        return false;
    bool added = add_header(transfers, line);
    crypto_wipe(line, (size_t)n);
    free(line);
    return added;
}

static bool set_up(struct transfers *transfers, const char *url, const char *key)
{
    transfers->multi = curl_multi_init();
    transfers->url = strdup(url);
    if (!transfers->multi || !transfers->url || !add_header(transfers, "Content-Type: application/json") ||
        !add_header(transfers, "Accept: text/event-stream, application/json") ||
        !add_header(transfers, "User-Agent: parley") || !add_header(transfers, "Expect:") ||
        (key && !add_key(transfers, key)))
        return false;
    return !curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_socket) &&
           !curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers) &&
           !curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_timeout) &&
           !curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers) &&
           !curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
}

struct transfers *transfers_new(struct loop *loop, const char *url, const char *key)
{
    struct transfers *transfers = calloc(1, sizeof(*transfers));
    if (!transfers)
        return NULL;
    transfers->loop = loop;
    transfers->timer = (struct loop_timer){.at = INT64_MAX, .ring = on_timer};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(transfers);
        return NULL;
    }
    if (set_up(transfers, url, key))
        return transfers;
    transfers_free(transfers);
    return NULL;
}

/* One of them may be the key. */
static void wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *header = headers; header; header = header->next)
        crypto_wipe(header->data, strlen(header->data));
    curl_slist_free_all(headers);
}

void transfers_free(struct transfers *transfers)
{
    if (!transfers)
        return;
    while (transfers->all)
        transfer_free(transfers->all);
    if (transfers->multi)
        curl_multi_cleanup(transfers->multi);
    (void)loop_set_timer(transfers->loop, &transfers->timer, INT64_MAX);
    wipe_headers(transfers->headers);
    free(transfers->url);
    free(transfers);
    curl_global_cleanup();
}

/* Authorities besides the system's, as the program curl takes them; its library looks for no such variable. */
static bool set_trust(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE");
    return !file || !*file || curl_easy_setopt(easy, CURLOPT_CAINFO, file) == CURLE_OK;
}

static bool set_options(struct transfer *transfer, const char *body)
{
    const struct transfers *transfers = transfer->transfers;
    CURL *easy = transfer->easy;
    unsigned wrong = 0;
    wrong |= curl_easy_setopt(easy, CURLOPT_URL, transfers->url);
    wrong |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    wrong |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    wrong |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    wrong |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    wrong |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    wrong |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfers->headers);
    wrong |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->len);
    wrong |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    wrong |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    wrong |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for the thread that looks up a name */
    wrong |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    wrong |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER);
    wrong |= curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
    wrong |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    wrong |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    wrong |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    wrong |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    wrong |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    wrong |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    wrong |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    return !wrong && set_trust(easy);
}

/* Without an idle connection curl would look for one among all that are in use, which takes it long when many are. */
static bool choose_connection(struct transfer *transfer)
{
    struct transfers *transfers = transfer->transfers;
    if (!transfers->idle)
        return curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    transfers->idle--;
    return true;
}

struct transfer *transfer_start(struct transfers *transfers, const char *body, size_t n,
                                const struct transfer_events *events, void *owner)
{
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return NULL;
    *transfer = (struct transfer){.transfers = transfers,
                                  .next = transfers->all,
                                  .link = &transfers->all,
                                  .events = events,
                                  .owner = owner,
                                  .len = n};
    if (transfer->next)
        transfer->next->link = &transfer->next;
    transfers->all = transfer;
    transfer->easy = curl_easy_init();
    if (transfer->easy && set_options(transfer, body) && choose_connection(transfer) &&
        curl_multi_add_handle(transfers->multi, transfer->easy) == CURLM_OK)
        return transfer;
    transfer_free(transfer);
    return NULL;
}

bool transfer_is_sent(const struct transfer *transfer)
{
    curl_off_t sent = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    return sent == (curl_off_t)transfer->len;
}

void transfer_stop(struct transfer *transfer)
{
    if (!transfer->transfers->inside) {
        transfer_free(transfer);
        return;
    }
    transfer->dead = true;
    transfer->transfers->any_dead = true;
}

/* --- for a command --- */

static size_t on_nothing(char *bytes, size_t size, size_t n, void *owner)
{
    (void)bytes, (void)owner;
    return size * n;
}

static bool set_probe(CURL *easy, const char *url, struct curl_slist *headers, long timeout_ms)
{
    unsigned wrong = 0;
    wrong |= curl_easy_setopt(easy, CURLOPT_URL, url);
    wrong |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    wrong |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    wrong |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    wrong |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    wrong |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    wrong |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    wrong |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_nothing);
    return !wrong && set_trust(easy);
}

struct transfer_probe transfer_ask(const char *url, const char *key, long timeout_ms)
{
    struct transfer_probe probe = {.how = TRANSFER_FAILED, .error = "memory is out"};
    struct transfers headers = {0};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return probe;
    CURL *easy = curl_easy_init();
    if (easy && add_header(&headers, "User-Agent: parley") && (!key || add_key(&headers, key)) &&
        set_probe(easy, url, headers.headers, timeout_ms)) {
        CURLcode code = curl_easy_perform(easy);
        probe.how = judge(code);
        probe.error = curl_easy_strerror(code);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &probe.status);
    }
    curl_easy_cleanup(easy);
    wipe_headers(headers.headers);
    curl_global_cleanup();
    return probe;
}
