/*
 * What a model answers, put together from its chunks.
 *
 * What must stay true: nothing is told after a failure or a stop; text that is told is valid UTF-8 and within the
 * bound; what is kept does not grow with the number of chunks.
 */
#include "relay/model_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "relay/model_text.h"
#include "relay/upstream.h"

#define WORD_MAX   64 /* characters of a finish_reason or a model's name */
#define TOKENS_MAX INT32_MAX

void model_answer_fail(struct model_answer *answer, enum model_failure failure)
{
    if (!answer->failure)
        answer->failure = failure;
}

bool model_answer_wants_more(const struct model_answer *answer)
{
    return !answer->failure && !answer->stopped;
}

static void tell_text(struct model_answer *answer, enum model_voice voice, const char *text, size_t n)
{
    if (!n || !model_answer_wants_more(answer))
        return;
    if (n > answer->max_bytes - answer->told_bytes) {
        model_answer_fail(answer, MODEL_TOO_LONG);
        return;
    }
    answer->told_bytes += n;
    answer->begun = true;
    if (voice == MODEL_CONTENT)
        answer->events->token(answer->owner, text, n);
    else
        answer->events->reasoning(answer->owner, text, n);
}

/* A half whose other half does not come. */
static void tell_half(struct model_answer *answer, enum model_voice voice)
{
    if (!answer->half[voice])
        return;
    answer->half[voice] = 0;
    tell_text(answer, voice, MODEL_TEXT_REPLACEMENT, strlen(MODEL_TEXT_REPLACEMENT));
}

void model_answer_flush(struct model_answer *answer)
{
    tell_half(answer, MODEL_REASONING);
    tell_half(answer, MODEL_CONTENT);
}

/* Tells a piece of text; a pair that was cut between this piece and its neighbour is joined again. */
static void take_text(struct model_answer *answer, enum model_voice voice, const struct json *value,
                      const struct model_text *clean)
{
    static const size_t mark = sizeof(MODEL_TEXT_REPLACEMENT) - 1;
    size_t n;
    if (!value || json_type(value) != JSON_STRING)
        return;
    const char *text = json_string(value, &n);
    if (!n)
        return;
    if (answer->half[voice] && clean->low && n >= mark && !memcmp(text, MODEL_TEXT_REPLACEMENT, mark)) {
        char joined[4];
        model_text_join(answer->half[voice], clean->low, joined);
        answer->half[voice] = 0;
        tell_text(answer, voice, joined, sizeof(joined));
        text += mark;
        n -= mark;
    }
    tell_half(answer, voice);
    if (clean->high && n >= mark && !memcmp(text + n - mark, MODEL_TEXT_REPLACEMENT, mark)) {
        answer->half[voice] = clean->high;
        n -= mark;
    }
    tell_text(answer, voice, text, n);
}

static bool take_parts(struct model_answer *answer, enum model_voice voice, const struct json *parts,
                       const struct model_text *clean);

/* One part of a content. Parts of other kinds, like references, have no words. False: it is no part. */
static bool take_part(struct model_answer *answer, enum model_voice voice, const struct json *part,
                      const struct model_text *clean)
{
    const struct json *type = json_member(part, "type");
    if (!type || json_type(type) != JSON_STRING)
        return false;
    if (!strcmp(json_string(type, NULL), "thinking"))
        return take_parts(answer, MODEL_REASONING, json_member(part, "thinking"), clean);
    if (strcmp(json_string(type, NULL), "text") != 0)
        return true;
    const struct json *text = json_member(part, "text");
    take_text(answer, voice, text, clean);
    return text && json_type(text) == JSON_STRING;
}

/* Tells what is a text, null, or an array of parts. False: it is none of them. */
static bool take_parts(struct model_answer *answer, enum model_voice voice, const struct json *parts,
                       const struct model_text *clean)
{
    if (!parts || json_type(parts) == JSON_NULL)
        return true;
    take_text(answer, voice, parts, clean);
    if (json_type(parts) != JSON_ARRAY)
        return json_type(parts) == JSON_STRING;
    for (size_t i = 0; i < json_size(parts); i++)
        if (!take_part(answer, voice, json_element(parts, i), clean))
            return false;
    return true;
}

static void take_tool(struct model_answer *answer, const struct json *piece)
{
    const char *event;
    switch (model_tools_add(&answer->tools, piece, answer->scratch, &event)) {
    case ST_OK:
        answer->begun = true;
        answer->events->tool_call(answer->owner, event);
        return;
    case ST_INVALID:
        model_answer_fail(answer, MODEL_GARBLED);
        return;
    case ST_TOO_LARGE:
        model_answer_fail(answer, MODEL_TOO_LONG);
        return;
    default:
        model_answer_fail(answer, MODEL_NO_MEMORY);
    }
}

/* A delta, or the message of an answer in one piece. */
static void take_delta(struct model_answer *answer, const struct json *delta, const struct model_text *clean)
{
    const struct json *reasoning = json_member(delta, "reasoning_content");
    if (!reasoning || json_type(reasoning) != JSON_STRING || !*json_string(reasoning, NULL))
        reasoning = json_member(delta, "reasoning");
    take_text(answer, MODEL_REASONING, reasoning, clean);
    if (!take_parts(answer, MODEL_CONTENT, json_member(delta, "content"), clean))
        model_answer_fail(answer, MODEL_GARBLED);
    /* A refusal is what the model has to say. */
    take_text(answer, MODEL_CONTENT, json_member(delta, "refusal"), clean);
    const struct json *tools = json_member(delta, "tool_calls");
    if (!tools || json_type(tools) != JSON_ARRAY)
        return;
    for (size_t i = 0; i < json_size(tools) && model_answer_wants_more(answer); i++)
        take_tool(answer, json_element(tools, i));
}

/* Keeps a copy of a word of the server's, cut to a sane length; the first one counts. */
static void take_word(struct model_answer *answer, const struct json *value, char **kept)
{
    size_t n;
    if (*kept || !value || json_type(value) != JSON_STRING || !*json_string(value, &n))
        return;
    n = utf8_prefix(json_string(value, NULL), n, WORD_MAX);
    *kept = malloc(n + 1);
    if (!*kept) {
        model_answer_fail(answer, MODEL_NO_MEMORY);
        return;
    }
    memcpy(*kept, json_string(value, NULL), n);
    (*kept)[n] = '\0';
}

static void take_choice(struct model_answer *answer, const struct json *choice, const struct model_text *clean)
{
    const struct json *index = json_member(choice, "index");
    const struct json *delta = json_member(choice, "delta");
    /* One answer was asked for. */
    if (json_type(choice) != JSON_OBJECT || (index && json_type(index) == JSON_INT && json_int(index) != 0))
        return;
    if (!delta)
        delta = json_member(choice, "message");
    if (delta)
        take_delta(answer, delta, clean);
    take_word(answer, json_member(choice, "finish_reason"), &answer->finish_reason);
    if (answer->finish_reason)
        model_answer_flush(answer);
}

static bool read_count(const struct json *usage, const char *key, int64_t *count)
{
    const struct json *value = json_member(usage, key);
    if (!value || json_type(value) != JSON_INT || json_int(value) < 0 || json_int(value) > TOKENS_MAX)
        return false;
    *count = json_int(value);
    return true;
}

/* The last usage counts: some servers send the sum so far with each chunk. */
static void take_usage(struct model_answer *answer, const struct json *usage)
{
    int64_t prompt, completion;
    if (!usage || !read_count(usage, "prompt_tokens", &prompt) || !read_count(usage, "completion_tokens", &completion))
        return;
    answer->has_usage = true;
    answer->prompt_tokens = prompt;
    answer->completion_tokens = completion;
}

/* Whether a member says that there were too many requests. */
static bool says_too_many(const struct json *error, const char *key)
{
    const struct json *value = json_member(error, key);
    if (!value)
        return false;
    if (json_type(value) == JSON_INT)
        return json_int(value) == 429;
    return json_type(value) == JSON_STRING &&
           (strstr(json_string(value, NULL), "rate_limit") || !strcmp(json_string(value, NULL), "429"));
}

static void take_error(struct model_answer *answer, const struct json *error)
{
    model_answer_flush(answer);
    bool busy = says_too_many(error, "code") || says_too_many(error, "type");
    model_answer_fail(answer, busy ? MODEL_BUSY : MODEL_REPORTED);
}

/* The error in an object; NULL: it is none. */
static const struct json *find_error(const struct json *object)
{
    const struct json *error = json_member(object, "error");
    const struct json *kind = json_member(object, "object");
    if (error && json_type(error) != JSON_NULL)
        return error;
    return kind && json_type(kind) == JSON_STRING && !strcmp(json_string(kind, NULL), "error") ? object : NULL;
}

bool model_answer_take(struct model_answer *answer, const struct json *chunk, const struct model_text *clean)
{
    const struct json *choices = json_member(chunk, "choices");
    const struct json *error = find_error(chunk);
    bool has_choices = choices && json_type(choices) == JSON_ARRAY;
    take_word(answer, json_member(chunk, "model"), &answer->model);
    take_usage(answer, json_member(chunk, "usage"));
    for (size_t i = 0; has_choices && i < json_size(choices) && model_answer_wants_more(answer); i++)
        take_choice(answer, json_element(choices, i), clean);
    if (error)
        take_error(answer, error);
    return has_choices && json_size(choices) > 0;
}

bool model_answer_is_complete(const struct model_answer *answer)
{
    return !answer->failure && (answer->done || answer->finish_reason);
}

enum model_failure model_answer_result(const struct model_answer *answer, struct arena *arena, struct upstream_end *end)
{
    *end = (struct upstream_end){
        .complete = model_answer_is_complete(answer),
        .finish_reason = answer->finish_reason,
        .model = answer->model,
        .tool_calls = model_tools_json(&answer->tools, arena),
        .has_usage = answer->has_usage,
        .prompt_tokens = answer->prompt_tokens,
        .completion_tokens = answer->completion_tokens,
    };
    if (end->complete && !end->finish_reason)
        end->finish_reason = answer->tools.count ? "tool_calls" : "stop";
    /* An answer that lacks its calls is none. */
    if (answer->failure || !answer->tools.count || end->tool_calls)
        return answer->failure;
    end->complete = false;
    return MODEL_NO_MEMORY;
}

void model_answer_fini(struct model_answer *answer)
{
    free(answer->finish_reason);
    free(answer->model);
    model_tools_fini(&answer->tools);
}
