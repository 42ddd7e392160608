/*
 * What is sent to a model server.
 *
 * What must stay true: messages go out as they were given; they, and the key, leave nothing behind in memory. Bodies
 * have pages of their own, because they may be long and live short: freed, they are the system's again at once.
 */
#include "relay/model_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "base/log.h"

#define PATH          "/chat/completions"
#define STREAM        ",\"stream\":true"
#define WITH_USAGE    ",\"stream_options\":{\"include_usage\":true}}"
#define WITHOUT_USAGE "}"

/* What stands before the messages. */
static void write_head(struct buf *head, const char *model)
{
    struct json_writer writer;
    json_writer_init(&writer, head);
    json_begin_object(&writer);
    if (model && *model)
        json_put_text(&writer, "model", model);
    json_write_key(&writer, "messages");
}

static bool put_together(struct model_request *request, const struct buf *head, const char *messages)
{
    size_t len = strlen(messages);
    request->usage_at = head->len + len + strlen(STREAM);
    request->len = request->usage_at + strlen(WITH_USAGE);
    request->size = request->len + 1;
    void *room = MAP_FAILED;
    if (!head->failed)
        room = mmap(NULL, request->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return false;
    request->body = room;
    memcpy(request->body, head->data, head->len);
    memcpy(request->body + head->len, messages, len);
    memcpy(request->body + head->len + len, STREAM WITH_USAGE, sizeof(STREAM WITH_USAGE));
    return true;
}

bool model_request_init(struct model_request *request, struct arena *scratch, const char *model, const char *messages)
{
    struct buf head;
    buf_init(&head, scratch);
    write_head(&head, model);
    bool made = put_together(request, &head, messages);
    return made;
}

void model_request_leave_out_usage(struct model_request *request)
{
    memcpy(request->body + request->usage_at, WITHOUT_USAGE, sizeof(WITHOUT_USAGE));
    request->len = request->usage_at + strlen(WITHOUT_USAGE);
}

void model_request_fini(struct model_request *request)
{
    if (request->body)
        munmap(request->body, request->size);
    *request = (struct model_request){0};
}

static char *make_url(const char *base, const char *path)
{
    size_t n = strlen(base), asking = strlen(PATH), len = strlen(path);
    while (n && base[n - 1] == '/')
        n--;
    /* Who gives the whole address means it. */
    if (n > asking && !memcmp(base + n - asking, PATH, asking))
        n -= asking;
    char *url = malloc(n + len + 1);
    if (!url)
        return NULL;
    memcpy(url, base, n);
    memcpy(url + n, path, len + 1);
    return url;
}

char *model_request_url(const char *base)
{
    return make_url(base, PATH);
}

char *model_request_models_url(const char *base)
{
    return make_url(base, "/models");
}

static bool is_header_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    return n > 0;
}

static void complain(const char *path, const char *what)
{
    log_event(LOG_LEVEL_ERROR, "model_key_unusable", log_str("path", path), log_str("error", what));
}

bool model_request_read_key(const char *path, char key[MODEL_KEY_MAX])
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 && fstat(fd, &file) == 0 ? read(fd, key, MODEL_KEY_MAX) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    while (got > 0 && strchr(" \t\r\n", key[got - 1]))
        got--;
    if (got < 0)
        complain(path, strerror(error));
    else if (!S_ISREG(file.st_mode))
        complain(path, "it is not a file");
    else if (file.st_mode & S_IRWXO)
        complain(path, "it is open to everybody");
    else if (got >= MODEL_KEY_MAX || !is_header_text(key, (size_t)got))
        complain(path, "it holds no key");
    else {
        key[got] = '\0';
        return true;
    }
    crypto_wipe(key, MODEL_KEY_MAX);
    return false;
}
