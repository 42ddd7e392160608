/* What is sent to a model server: the address, the key, the body. */
#ifndef PARLEY_RELAY_MODEL_REQUEST_H
#define PARLEY_RELAY_MODEL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define MODEL_KEY_MAX 4096

struct arena;

/* The body of a request. */
struct model_request {
    char *body; /* NULL: given back */
    size_t len;
    size_t size;     /* of its memory */
    size_t usage_at; /* where the wish for usage stands, at the end */
};

/* Makes {"model"?, "messages", "stream", "stream_options"}; messages: a JSON array; model NULL or "": none is named.
 * scratch: for passing use; it is not reset. False: memory is out. */
bool model_request_init(struct model_request *request, struct arena *scratch, const char *model, const char *messages);

/* Takes the wish for usage out: some servers refuse what they do not know. */
void model_request_leave_out_usage(struct model_request *request);

/* Gives the body back. */
void model_request_fini(struct model_request *request);

/* <base>/chat/completions, in the caller's memory (free). NULL: memory is out. */
char *model_request_url(const char *base);

/* <base>/models, which lists what there is to ask. */
char *model_request_models_url(const char *base);

/* Reads the key's file, without the white space at its end. False, and it is logged: it cannot be read, or holds what
 * cannot stand in a header. */
bool model_request_read_key(const char *path, char key[MODEL_KEY_MAX]);

#endif
