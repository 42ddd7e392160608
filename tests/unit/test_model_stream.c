/* Reading model servers' answers: each habit of theirs, however the bytes are cut. */
#include "relay/model_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"
#include "failmalloc.h"
#include "relay/model_text.h"
#include "relay/upstream.h"
#include "unit.h"

void suite_model_stream(void);

#define HEARD_MAX (64 * 1024)
#define LIMIT     1000

/* What was told, in one text each. */
struct heard {
    char content[HEARD_MAX], reasoning[HEARD_MAX], tools[HEARD_MAX];
    size_t content_len, reasoning_len, tools_len;
    unsigned tokens;
    struct model_stream *stop_at_first; /* stopped on the first event */
};

/* What is expected; NULL and 0 are "none". */
struct expected {
    const char *what, *body;
    const char *content, *reasoning, *events, *tool_calls, *finish, *model, *usage, *error;
};

static struct arena *scratch, *kept, *texts;

/* Tables are written with ' for ", to be read by people. */
static char *quoted(const char *text)
{
    char *copy = text ? arena_strdup(texts, text) : NULL;
    for (char *c = copy; c && (c = strchr(c, '\'')); c++)
        *c = '"';
    return copy;
}

static void hear(char *text, size_t *len, const char *more, size_t n)
{
    CU_ASSERT_FATAL(n > 0 && *len + n < HEARD_MAX);
    CU_ASSERT(utf8_valid(more, n));
    memcpy(text + *len, more, n);
    *len += n;
    text[*len] = '\0';
}

static void on_token(void *owner, const char *text, size_t n)
{
    struct heard *heard = owner;
    heard->tokens++;
    hear(heard->content, &heard->content_len, text, n);
    if (heard->stop_at_first)
        model_stream_stop(heard->stop_at_first);
}

static void on_reasoning(void *owner, const char *text, size_t n)
{
    struct heard *heard = owner;
    hear(heard->reasoning, &heard->reasoning_len, text, n);
}

static void on_tool_call(void *owner, const char *json)
{
    struct heard *heard = owner;
    hear(heard->tools, &heard->tools_len, json, strlen(json));
    hear(heard->tools, &heard->tools_len, "\n", 1);
}

static const struct upstream_events events = {.token = on_token, .reasoning = on_reasoning, .tool_call = on_tool_call};

static void check_text(const char *what, const char *kind, const char *got, const char *expected)
{
    char message[2048];
    if ((!got || !*got) && (!expected || !*expected))
        return;
    if (got && expected && !strcmp(got, expected))
        return;
    snprintf(message, sizeof(message), "%s: %s is \"%s\", not \"%s\"", what, kind, got ? got : "NULL",
             expected ? expected : "NULL");
    CU_assertImplementation(CU_FALSE, __LINE__, message, __FILE__, "", CU_FALSE);
}

static void check_end(const struct expected *expected, const struct heard *heard, const struct model_stream *stream)
{
    struct upstream_end end;
    char usage[64] = "";
    enum model_failure failure = model_stream_result(stream, kept, &end);
    if (end.has_usage)
        snprintf(usage, sizeof(usage), "%ld+%ld", (long)end.prompt_tokens, (long)end.completion_tokens);
    check_text(expected->what, "content", heard->content, expected->content);
    check_text(expected->what, "reasoning", heard->reasoning, expected->reasoning);
    check_text(expected->what, "tool events", heard->tools, expected->events);
    check_text(expected->what, "tool calls", end.tool_calls, expected->tool_calls);
    check_text(expected->what, "finish", end.complete ? end.finish_reason : NULL, expected->finish);
    check_text(expected->what, "model", end.model, expected->model);
    check_text(expected->what, "usage", usage, expected->usage);
    const char *error = failure ? model_failure_code(failure) : end.complete ? NULL : "cut";
    check_text(expected->what, "error", error, expected->error);
    arena_reset(kept);
}

/* Reads the body in two pieces, the first of `cut` bytes; step > 0: in pieces of that size. */
static void read_body(const struct expected *expected, size_t cut, size_t step)
{
    static struct heard heard;
    heard = (struct heard){0};
    struct model_stream *stream = model_stream_new(&events, &heard, scratch, LIMIT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    size_t n = strlen(expected->body);
    bool more = true;
    for (size_t at = 0; at < n && more;) {
        size_t end = step ? at + step : at < cut ? cut : n;
        size_t len = (end < n ? end : n) - at;
        /* In memory of just that size, so that a sanitizer sees a step beyond. */
        char *piece = malloc(len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(piece);
        memcpy(piece, expected->body + at, len);
        more = model_stream_feed(stream, piece, len);
        free(piece);
        at += len;
    }
    model_stream_finish(stream, true);
    check_end(expected, &heard, stream);
    model_stream_free(stream);
}

/* Whole, byte by byte, in threes, and split in two at every byte. */
static void read_all_ways(const struct expected *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned failed = CU_get_number_of_failures();
        struct expected row = table[i];
        row.body = quoted(row.body);
        row.content = quoted(row.content);
        row.events = quoted(row.events);
        row.tool_calls = quoted(row.tool_calls);
        size_t n = strlen(row.body);
        read_body(&row, 0, n + 1);
        read_body(&row, 0, 1);
        read_body(&row, 0, 3);
        for (size_t cut = 1; cut < n && CU_get_number_of_failures() == failed; cut++)
            read_body(&row, cut, 0);
        arena_reset(texts);
    }
}

#define READ_ALL_WAYS(table) read_all_ways(table, sizeof(table) / sizeof(*(table)))

#define DELTA(members) "{'choices':[{'index':0,'delta':{" members "},'finish_reason':null}]}"
#define PIECE(members) "data: " DELTA(members) "\n\n"
#define SAYS(text)     PIECE("'content':'" text "'")
#define STOP           "data: {'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}\n\n"
#define DONE           "data: [DONE]\n\n"
#define MARK           "\xEF\xBF\xBD"

static void model_stream_reads_every_way_of_framing(void)
{
    static const struct expected table[] = {
        {.what = "plain", .body = SAYS("a") SAYS("b") STOP DONE, .content = "ab", .finish = "stop"},
        {.what = "CRLF",
         .body = "data: " DELTA("'content':'a'") "\r\n\r\ndata: [DONE]\r\n\r\n",
         .content = "a",
         .finish = "stop"},
        {.what = "CR",
         .body = "data: " DELTA("'content':'a'") "\r\rdata: [DONE]\r\r",
         .content = "a",
         .finish = "stop"},
        {.what = "no space",
         .body = "data:" DELTA("'content':' a '") "\n\ndata:[DONE]\n\n",
         .content = " a ",
         .finish = "stop"},
        {.what = "single newlines",
         .body = "data: " DELTA("'content':'a'") "\ndata: " DELTA("'content':'b'") "\ndata: [DONE]\n",
         .content = "ab",
         .finish = "stop"},
        {.what = "data in several lines",
         .body = "data: {'choices':\ndata: [{'delta':\ndata:  {'content':'a'}}]}\n\n" DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "pretty JSON in several lines, CRLF",
         .body =
             "data: {\r\ndata: 'choices': [\r\ndata: {'delta': {'content': 'a'}}\r\ndata: ]\r\ndata: }\r\n\r\n" DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "comments, other fields, empty data and lines",
         .body = ": ping\n\n\n\nid: 7\nretry: 1\nevent: message\n" SAYS("a") ":\n\n: x\ndata\n\ndata:\n\n"
                                                                             "data: \n\n" DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "a byte order mark", .body = "\xEF\xBB\xBF" SAYS("a") DONE, .content = "a", .finish = "stop"},
        {.what = "no newline at the end", .body = SAYS("a") "data: [DONE]", .content = "a", .finish = "stop"},
        {.what = "no empty line at the end", .body = "data: " DELTA("'content':'a'"), .content = "a", .error = "cut"},
        {.what = "white space around", .body = "data: \t[DONE]  \n\n", .finish = "stop"},
        {.what = "nothing after [DONE] counts",
         .body = SAYS("a") DONE SAYS("b") "data: nonsense\n\n",
         .content = "a",
         .finish = "stop"},
        {.what = "unknown fields and events",
         .body = "event: ping\ndata: {'type':'ping'}\n\nfoo: bar\n" SAYS("a") DONE,
         .content = "a",
         .finish = "stop"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_reads_what_servers_put_into_chunks(void)
{
    static const struct expected table[] = {
        {.what = "a first delta with only a role",
         .body = PIECE("'role':'assistant'") PIECE("'role':'assistant','content':''") SAYS("a") STOP DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "content null", .body = PIECE("'content':null") SAYS("a") STOP, .content = "a", .finish = "stop"},
        {.what = "usage at the end, with empty choices",
         .body = "data: {'model':'m-1','usage':null,'choices':[{'delta':{'content':'a'}}]}\n\n" STOP
                 "data: {'choices':[],'usage':{'prompt_tokens':3,'completion_tokens':4,'total_tokens':7}}\n\n" DONE,
         .content = "a",
         .model = "m-1",
         .usage = "3+4",
         .finish = "stop"},
        {.what = "usage in every chunk: the last counts",
         .body = "data: {'choices':[{'delta':{'content':'a'}}],'usage':{'prompt_tokens':3,'completion_tokens':1}}\n\n"
                 "data: "
                 "{'choices':[{'delta':{'content':'b'},'finish_reason':'length'}],'usage':{'prompt_tokens':3,'"
                 "completion_tokens':2}}\n\n",
         .content = "ab",
         .usage = "3+2",
         .finish = "length"},
        {.what = "usage that is none",
         .body = "data: {'choices':[],'usage':{'prompt_tokens':-1,'completion_tokens':1}}\n\n"
                 "data: {'usage':[]}\n\n"
                 "data: {'usage':{'prompt_tokens':1.5,'completion_tokens':1}}\n\n"
                 "data: {'usage':{'prompt_tokens':99999999999999,'completion_tokens':1}}\n\n" DONE,
         .finish = "stop"},
        {.what = "reasoning_content",
         .body = PIECE("'reasoning_content':'hm'") PIECE("'content':'a','reasoning_content':null") DONE,
         .reasoning = "hm",
         .content = "a",
         .finish = "stop"},
        {.what = "reasoning",
         .body = PIECE("'reasoning':'hm'") SAYS("a") DONE,
         .reasoning = "hm",
         .content = "a",
         .finish = "stop"},
        {.what = "both, once empty, once the same",
         .body = PIECE("'reasoning_content':'','reasoning':'h'") PIECE("'reasoning_content':'m','reasoning':'m'") DONE,
         .reasoning = "hm",
         .finish = "stop"},
        {.what = "reasoning that is no text",
         .body = PIECE("'reasoning':{'effort':1},'content':'a'") DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "a refusal", .body = PIECE("'content':null,'refusal':'No.'") STOP, .content = "No.", .finish = "stop"},
        {.what = "no [DONE]", .body = SAYS("a") STOP, .content = "a", .finish = "stop"},
        {.what = "neither finish_reason nor [DONE]", .body = SAYS("a"), .content = "a", .error = "cut"},
        {.what = "another finish_reason",
         .body = SAYS("a") "data: {'choices':[{'delta':{},'finish_reason':'content_filter'}]}\n\n" DONE,
         .content = "a",
         .finish = "content_filter"},
        {.what = "other choices",
         .body = "data: "
                 "{'choices':[{'index':1,'delta':{'content':'b'},'finish_reason':'stop'},{'index':0,'delta':{'content':"
                 "'a'}}]}\n\n",
         .content = "a",
         .error = "cut"},
        {.what = "things of other kinds than they should be",
         .body = "data: {'choices':{}}\n\n"
                 "data: {'choices':[7,null,[]]}\n\n"
                 "data: {'choices':[{'delta':[]}],'model':7}\n\n"
                 "data: {'choices':[{'delta':{'tool_calls':{}},'finish_reason':7}]}\n\n"
                 "data: {}\n\n" DONE,
         .finish = "stop"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_reads_content_in_parts(void)
{
    static const struct expected table[] = {
        {.what = "content in parts, thoughts among them",
         .body = PIECE("'content':[{'type':'thinking','thinking':[{'type':'text','text':'h'},{'type':'text','text':'m'}"
                       "]}]") PIECE("'content':[]")
             PIECE("'content':[{'type':'text','text':'a'},{'type':'reference','reference_ids':[1]},"
                   "{'type':'text','text':'b'}]") SAYS("c") STOP,
         .reasoning = "hm",
         .content = "abc",
         .finish = "stop"},
        {.what = "a thought that is one text",
         .body =
             PIECE("'content':[{'type':'thinking','thinking':'hm','signature':'x'},{'type':'text','text':''}]") STOP,
         .reasoning = "hm",
         .finish = "stop"},
        {.what = "a pair that two parts share",
         .body = PIECE("'content':[{'type':'text','text':'\\ud83d'},{'type':'text','text':'\\ude00'}]") STOP,
         .content = "\xF0\x9F\x98\x80",
         .finish = "stop"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_puts_tool_calls_together(void)
{
    static const struct expected table[] = {
        {.what = "pieces by index",
         .body = PIECE("'content':null,'tool_calls':[{'index':0,'id':'c1','type':'function','function':{'name':'f','"
                       "arguments':''}}]") PIECE("'tool_calls':[{'index':0,'function':{'arguments':'{\\'a\\''}},{'"
                                                 "index':1,'id':'c2','function':{'name':'g','arguments':'{}'}}]")
             PIECE("'tool_calls':[{'index':0,'function':{'arguments':':1}'}}]") "data: "
                                                                                "{'choices':[{'delta':{},'finish_"
                                                                                "reason':'tool_calls'}]}\n\n" DONE,
         .events = "{'index':0,'call_id':'c1','name':'f'}\n{'index':0,'arguments':'{\\'a\\''}\n{'index':1,'call_id':'"
                   "c2','name':'"
                   "g','arguments':'{}'}\n{'index':0,'arguments':':1}'}\n",
         .tool_calls = "[{'id':'c1','type':'function','function':{'name':'f','arguments':'{\\'a\\':1}'}},{'id':'c2','"
                       "type':'function','function':{'name':'g','arguments':'{}'}}]",
         .finish = "tool_calls"},
        {.what = "all with index 0, told apart by their ids",
         .body = PIECE("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'1'}}]")
             PIECE("'tool_calls':[{'index':0,'id':'b','function':{'name':'g','arguments':'2'}}]") DONE,
         .events = "{'index':0,'call_id':'a','name':'f','arguments':'1'}\n{'index':1,'call_id':'b','name':'g','"
                   "arguments':'2'}\n",
         .tool_calls = "[{'id':'a','type':'function','function':{'name':'f','arguments':'1'}},{'id':'b','type':'"
                       "function','function':{'name':'g','arguments':'2'}}]",
         .finish = "tool_calls"},
        {.what = "no index; id and name said again; arguments as an object",
         .body = PIECE("'tool_calls':[{'id':'a','function':{'name':'f','arguments':'1'}}]")
             PIECE("'tool_calls':[{'id':'a','function':{'name':'f','arguments':'2'}}]")
                 PIECE("'tool_calls':[{'id':'b','function':{'name':'g','arguments':{'x': 1.0}}}]") DONE,
         .events = "{'index':0,'call_id':'a','name':'f','arguments':'1'}\n{'index':0,'call_id':'a','name':'f','"
                   "arguments':'2'}\n{"
                   "'index':1,'call_id':'b','name':'g','arguments':'{\\'x\\': 1.0}'}\n",
         .tool_calls = "[{'id':'a','type':'function','function':{'name':'f','arguments':'12'}},{'id':'b','type':'"
                       "function','function':{'name':'g','arguments':'{\\'x\\': 1.0}'}}]",
         .finish = "tool_calls"},
        {.what = "neither index nor id",
         .body = PIECE("'tool_calls':[{'function':{'name':'f','arguments':'1'}},{'function':{'arguments':'2'}},{'"
                       "function':{'name':'g'}}]") STOP,
         .events = "{'index':0,'name':'f','arguments':'1'}\n{'index':0,'arguments':'2'}\n{'index':1,'name':'g'}\n",
         .tool_calls = "[{'id':null,'type':'function','function':{'name':'f','arguments':'12'}},{'id':null,'type':'"
                       "function','function':{'name':'g','arguments':''}}]",
         .finish = "stop"},
        {.what = "a call that is no object", .body = PIECE("'tool_calls':[7]"), .error = "model_garbled"},
        {.what = "tool_calls null",
         .body = PIECE("'tool_calls':null,'content':'a'") DONE,
         .content = "a",
         .finish = "stop"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_knows_errors_in_the_stream(void)
{
    static const struct expected table[] = {
        {.what = "an error object",
         .body = SAYS("a") "data: {'error':{'message':'x','code':500}}\n\n",
         .content = "a",
         .error = "model_error"},
        {.what = "an error text", .body = "data: {'error':'x'}\n\n", .error = "model_error"},
        {.what = "error null is none",
         .body = "data: {'error':null,'choices':[{'delta':{'content':'a'}}]}\n\n" DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "event: error",
         .body = SAYS("a") "event: error\ndata: {'message':'x'}\n\n" DONE,
         .content = "a",
         .error = "model_error"},
        {.what = "event: error with text", .body = "event:error\ndata: oh no\n\n", .error = "model_error"},
        {.what = "event: error at the end, cut",
         .body = SAYS("a") "event: error\ndata: oh",
         .content = "a",
         .error = "model_error"},
        {.what = "event: error for that event alone",
         .body = "event: error\n: x\nevent: message\n" SAYS("a") DONE,
         .content = "a",
         .finish = "stop"},
        {.what = "object: error", .body = "data: {'object':'error','message':'x'}\n\n", .error = "model_error"},
        {.what = "429 inside", .body = "data: {'error':{'code':429}}\n\n", .error = "model_rate_limited"},
        {.what = "a rate limit by name",
         .body = "data: {'error':{'type':'rate_limit_exceeded','code':null}}\n\n",
         .error = "model_rate_limited"},
        {.what = "beside a finish_reason",
         .body = "data: {'choices':[{'delta':{'content':'a'},'finish_reason':'error'}],'error':{'code':502}}\n\n",
         .content = "a",
         .error = "model_error"},
        {.what = "after the finish_reason",
         .body = SAYS("a") STOP "data: {'error':{}}\n\n" DONE,
         .content = "a",
         .error = "model_error"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_refuses_garbage(void)
{
    static const struct expected table[] = {
        {.what = "HTML", .body = " \r\n<!DOCTYPE html><html>data: [DONE]\n\n", .error = "model_garbled"},
        {.what = "no JSON", .body = SAYS("a") "data: {nonsense}\n\n" DONE, .content = "a", .error = "model_garbled"},
        {.what = "JSON that is no object", .body = "data: 7\n\n", .error = "model_garbled"},
        {.what = "plain text", .body = "upstream connect error\nor something\n", .error = "model_garbled"},
        {.what = "plain text, one line", .body = "upstream connect error", .error = "model_garbled"},
        {.what = "lines of JSON", .body = "{'message':{'content':'a'}}\n{'done':true}\n", .error = "model_garbled"},
        {.what = "a key twice", .body = "data: {'a':1,'a':2}\n\n", .error = "model_garbled"},
        {.what = "a bad escape", .body = SAYS("\\x"), .error = "model_garbled"},
        {.what = "a cut escape", .body = SAYS("\\u12"), .error = "model_garbled"},
        {.what = "cut in the middle of an event",
         .body = SAYS("a") "data: {'choices':[{'delta':{'cont",
         .content = "a",
         .error = "cut"},
        {.what = "cut in the middle of a string", .body = "data: {'choices':[{'delta':{'content':'a", .error = "cut"},
        {.what = "content that is a number", .body = PIECE("'content':7") STOP, .error = "model_garbled"},
        {.what = "content that is an object",
         .body = SAYS("a") PIECE("'content':{'type':'text','text':'b'}") STOP,
         .content = "a",
         .error = "model_garbled"},
        {.what = "content of texts that are no parts", .body = PIECE("'content':['a']") STOP, .error = "model_garbled"},
        {.what = "a part of no kind", .body = PIECE("'content':[{'text':'a'}]") STOP, .error = "model_garbled"},
        {.what = "a part without its text",
         .body = PIECE("'content':[{'type':'text'}]") STOP,
         .error = "model_garbled"},
        {.what = "a thought that is none",
         .body = PIECE("'content':[{'type':'thinking','thinking':7}]") STOP,
         .error = "model_garbled"},
        {.what = "nothing", .body = "", .error = "cut"},
        {.what = "only space", .body = "\n\n \r\n", .error = "cut"},
        {.what = "only comments", .body = ": a\n\n: b\n\n", .error = "cut"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_takes_an_answer_in_one_piece(void)
{
    static const struct expected table[] = {
        {.what = "chat.completion",
         .body = "{'object':'chat.completion','model':'m','choices':[{'index':0,'message':{'role':'assistant','content'"
                 ":'a\\nb','reasoning_content':'hm'},'finish_reason':'stop'}],'usage':{'prompt_tokens':1,'completion_"
                 "tokens':2}}\n",
         .content = "a\nb",
         .reasoning = "hm",
         .finish = "stop",
         .model = "m",
         .usage = "1+2"},
        {.what = "without a finish_reason, in several lines",
         .body = "\n{\n 'choices': [\n  {'message': {'content': 'a'}}\n ]\n}",
         .content = "a",
         .finish = "stop"},
        {.what = "in parts",
         .body = "{'choices':[{'message':{'content':[{'type':'thinking','thinking':[{'type':'text','text':'hm'}]},"
                 "{'type':'text','text':'a'}]},'finish_reason':'stop'}]}",
         .reasoning = "hm",
         .content = "a",
         .finish = "stop"},
        {.what = "tool calls",
         .body = "{'choices':[{'message':{'content':null,'tool_calls':[{'id':'a','type':'function','function':{'name':'"
                 "f','arguments':'{}'}}]},'finish_reason':'tool_calls'}]}",
         .events = "{'index':0,'call_id':'a','name':'f','arguments':'{}'}\n",
         .tool_calls = "[{'id':'a','type':'function','function':{'name':'f','arguments':'{}'}}]",
         .finish = "tool_calls"},
        {.what = "an error", .body = "{'error':{'message':'x'}}", .error = "model_error"},
        {.what = "an error in an array", .body = "[{'error':{'code':429}}]", .error = "model_rate_limited"},
        {.what = "no answer", .body = "{'hello':'world'}", .error = "model_garbled"},
        {.what = "no choices", .body = "{'choices':[]}", .error = "model_garbled"},
        {.what = "an empty array", .body = "[]", .error = "model_garbled"},
        {.what = "cut", .body = "{'choices':[{'message':{'content':'a", .error = "model_garbled"},
    };
    READ_ALL_WAYS(table);
}

static void model_stream_cleans_text(void)
{
    static const struct expected table[] = {
        {.what = "characters of all lengths",
         .body = SAYS("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80") DONE,
         .content = "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80",
         .finish = "stop"},
        {.what = "escapes",
         .body = SAYS("\\u00e4\\ud83d\\ude00\\n\\\\u0000\\'") DONE,
         .content = "\xC3\xA4\xF0\x9F\x98\x80\n\\u0000'",
         .finish = "stop"},
        {.what = "U+0000", .body = SAYS("a\\u0000b") DONE, .content = "a" MARK "b", .finish = "stop"},
        {.what = "a lone byte", .body = SAYS("a\xFF!\x80.") DONE, .content = "a" MARK "!" MARK ".", .finish = "stop"},
        {.what = "a character cut off",
         .body = SAYS("a\xE2\x82") SAYS("\xAC!") DONE,
         .content = "a" MARK MARK "!",
         .finish = "stop"},
        {.what = "an overlong form and a surrogate",
         .body = SAYS("\xC0\x80|\xED\xA0\x80|\xF8\x88") DONE,
         .content = MARK "|" MARK "|" MARK,
         .finish = "stop"},
        {.what = "lone surrogates",
         .body = SAYS("a\\ud83db\\ude00c\\ud83d\\ud83d\\ude00") DONE,
         .content = "a" MARK "b" MARK "c" MARK "\xF0\x9F\x98\x80",
         .finish = "stop"},
        {.what = "a pair over two chunks",
         .body = SAYS("a\\ud83d") SAYS("\\ude00!") DONE,
         .content = "a\xF0\x9F\x98\x80!",
         .finish = "stop"},
        {.what = "with other chunks between",
         .body = SAYS("\\ud83d") PIECE("'role':'assistant'") SAYS("") SAYS("\\ude00") DONE,
         .content = "\xF0\x9F\x98\x80",
         .finish = "stop"},
        {.what = "pair after pair",
         .body = SAYS("\\ud83d") SAYS("\\ude00\\ud83d") SAYS("\\ude01") DONE,
         .content = "\xF0\x9F\x98\x80\xF0\x9F\x98\x81",
         .finish = "stop"},
        {.what = "the other half does not come",
         .body = SAYS("\\ud83d") SAYS("b") DONE,
         .content = MARK "b",
         .finish = "stop"},
        {.what = "the answer ends at a half", .body = SAYS("\\ud83d") STOP, .content = MARK, .finish = "stop"},
        {.what = "the body ends at a half", .body = SAYS("\\ud83d"), .content = MARK, .error = "cut"},
        {.what = "a half before an error",
         .body = SAYS("\\ud83d") "data: {'error':{}}\n\n",
         .content = MARK,
         .error = "model_error"},
        {.what = "reasoning has a half of its own",
         .body = PIECE("'reasoning':'\\ud83d'") SAYS("\\ude00") PIECE("'reasoning':'\\ude00'") DONE,
         .content = MARK,
         .reasoning = "\xF0\x9F\x98\x80",
         .finish = "stop"},
        {.what = "two strings end in halves",
         .body = PIECE("'reasoning':'\\ud83d','content':'\\ud83d'") DONE,
         .content = MARK,
         .reasoning = MARK,
         .finish = "stop"},
        {.what = "in a tool's arguments",
         .body = PIECE("'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'\\ud83d\xFF'}}]") DONE,
         .events = "{'index':0,'call_id':'a','name':'f','arguments':'" MARK MARK "'}\n",
         .tool_calls = "[{'id':'a','type':'function','function':{'name':'f','arguments':'" MARK MARK "'}}]",
         .finish = "tool_calls"},
    };
    READ_ALL_WAYS(table);
}

/* A stream to be fed by hand. */
static struct model_stream *open_stream(struct heard *heard, size_t limit)
{
    *heard = (struct heard){0};
    struct model_stream *stream = model_stream_new(&events, heard, scratch, limit);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    return stream;
}

static enum model_failure close_stream(struct model_stream *stream)
{
    struct upstream_end end;
    model_stream_finish(stream, true);
    enum model_failure failure = model_stream_result(stream, kept, &end);
    model_stream_free(stream);
    arena_reset(kept);
    return failure;
}

static bool feed(struct model_stream *stream, const char *text)
{
    bool more = model_stream_feed(stream, quoted(text), strlen(text));
    arena_reset(texts);
    return more;
}

static void model_stream_bounds_the_answer(void)
{
    static struct heard heard;
    struct model_stream *stream = open_stream(&heard, 10);
    CU_ASSERT(feed(stream, SAYS("12345")));
    CU_ASSERT(feed(stream, PIECE("'reasoning':'67890'")));
    CU_ASSERT_FALSE(feed(stream, SAYS("1")));
    CU_ASSERT_FALSE(feed(stream, SAYS("2")));
    CU_ASSERT_STRING_EQUAL(heard.content, "12345");
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_TOO_LONG);
}

static void model_stream_bounds_lines_and_events(void)
{
    static struct heard heard;
    static char long_line[MODEL_STREAM_LINE_MAX + 64];
    memset(long_line, 'x', sizeof(long_line));
    memcpy(long_line, "data: ", 6);
    long_line[sizeof(long_line) - 1] = '\n';

    struct model_stream *stream = open_stream(&heard, LIMIT);
    CU_ASSERT_FALSE(model_stream_feed(stream, long_line, sizeof(long_line)));
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_GARBLED);

    /* Not even the newline is waited for. */
    stream = open_stream(&heard, LIMIT);
    unsigned pieces = 0;
    while (model_stream_feed(stream, long_line, 4096) && pieces < 1000)
        pieces++;
    CU_ASSERT_EQUAL(pieces, MODEL_STREAM_LINE_MAX / 4096);
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_GARBLED);

    /* A line of the data alone is short, all of them are not. */
    stream = open_stream(&heard, LIMIT);
    unsigned lines = 0;
    while (feed(stream, "data: [\n") && lines < MODEL_STREAM_LINE_MAX)
        lines++;
    CU_ASSERT(lines > 1000 && lines < MODEL_STREAM_LINE_MAX);
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_GARBLED);
}

static void model_stream_bounds_an_object(void)
{
    static struct heard heard;
    static char spaces[64 * 1024];
    memset(spaces, ' ', sizeof(spaces));
    struct model_stream *stream = open_stream(&heard, LIMIT);
    unsigned pieces = 0;
    CU_ASSERT(feed(stream, "{"));
    while (model_stream_feed(stream, spaces, sizeof(spaces)) && pieces < 1000)
        pieces++;
    CU_ASSERT(pieces < 20);
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_TOO_LONG);
}

static void model_stream_bounds_tool_calls(void)
{
    static struct heard heard;
    char piece[512];
    struct model_stream *stream = open_stream(&heard, LIMIT);
    unsigned calls = 0;
    do {
        snprintf(piece, sizeof(piece), PIECE("'tool_calls':[{'index':%u,'id':'i%u'}]"), calls, calls);
        heard.tools_len = 0;
    } while (feed(stream, piece) && ++calls < 1000);
    CU_ASSERT_EQUAL(calls, 128);
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_TOO_LONG);

    stream = open_stream(&heard, LIMIT);
    unsigned pieces = 0;
    snprintf(piece, sizeof(piece), PIECE("'tool_calls':[{'index':0,'function':{'arguments':'%0200d'}}]"), 0);
    while (feed(stream, piece) && pieces < 10000) {
        heard.tools_len = 0;
        pieces++;
    }
    CU_ASSERT_EQUAL(pieces, 256 * 1024 / 200);
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_TOO_LONG);
}

static void model_stream_says_nothing_after_a_stop(void)
{
    static struct heard heard;
    struct model_stream *stream = open_stream(&heard, LIMIT);
    heard.stop_at_first = stream;
    CU_ASSERT_FALSE(feed(stream, SAYS("a") SAYS("b") PIECE("'reasoning':'c'") STOP));
    CU_ASSERT_FALSE(feed(stream, SAYS("d")));
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_OK);
    CU_ASSERT_STRING_EQUAL(heard.content, "a");
    CU_ASSERT_STRING_EQUAL(heard.reasoning, "");
}

static void model_stream_does_not_grow_with_empty_deltas(void)
{
    static struct heard heard;
    struct model_stream *stream = open_stream(&heard, LIMIT);
    static const char empty[] = ": keep-alive\n\n" PIECE("'content':''");
    CU_ASSERT(feed(stream, empty));
    long before = failmalloc_balance();
    for (unsigned i = 0; i < 20000; i++)
        feed(stream, empty);
    CU_ASSERT_EQUAL(failmalloc_balance(), before);
    CU_ASSERT_EQUAL(arena_used(scratch), 0);
    CU_ASSERT_FALSE(model_stream_has_begun(stream));
    CU_ASSERT_EQUAL(close_stream(stream), MODEL_OK);
}

static void model_stream_fails_well_when_memory_is_out(void)
{
    static const char plain[] = ": x\r\ndata: {'choices':\r\ndata: [{'delta':{'content':'a\xFF'}}]}\r\n\r\n" PIECE(
        "'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':'1'}}]") "data: "
                                                                                       "{'model':'m','choices':[{'"
                                                                                       "finish_reason':'stop'}]}"
                                                                                       "\n\n" DONE;
    static struct heard heard;
    const char *body = quoted(plain);
    bool failed = true;
    for (unsigned n = 1; failed && n < 1000; n++) {
        long before = failmalloc_balance();
        heard = (struct heard){0};
        failmalloc_after(n);
        struct model_stream *stream = model_stream_new(&events, &heard, scratch, LIMIT);
        struct upstream_end end = {0};
        enum model_failure failure = MODEL_NO_MEMORY;
        for (size_t i = 0; stream && i < sizeof(plain) - 1; i++)
            model_stream_feed(stream, body + i, 1);
        if (stream) {
            model_stream_finish(stream, true);
            failure = model_stream_result(stream, kept, &end);
        }
        failed = failmalloc_happened();
        failmalloc_after(0);
        CU_ASSERT_EQUAL(failure, failed ? MODEL_NO_MEMORY : MODEL_OK);
        CU_ASSERT(!failed || !end.complete);
        model_stream_free(stream);
        arena_reset(kept);
        arena_reset(scratch);
        CU_ASSERT_EQUAL(failmalloc_balance(), before);
    }
    CU_ASSERT_FALSE(failed);
}

/* Whatever is cleaned is then UTF-8, and cleaning it again changes nothing. */
static void model_text_is_clean_once(void)
{
    static const char *const pieces[] = {"\"\xFF\"", "\"\\ud83d\"", "\\ud83d",          "\"\\", "\"\\u",
                                         "\\",       "\"\xE2\x82",  "\"a\\\\\\u0000\"", ""};
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        struct model_text once, twice;
        CU_ASSERT_EQUAL(model_text_clean(scratch, pieces[i], strlen(pieces[i]), &once), ST_OK);
        CU_ASSERT(utf8_valid(once.text, once.n));
        CU_ASSERT_EQUAL(model_text_clean(scratch, once.text, once.n, &twice), ST_OK);
        CU_ASSERT(once.n == twice.n && !memcmp(once.text, twice.text, once.n));
    }
    arena_reset(scratch);
}

static int begin(void)
{
    scratch = arena_new((size_t)32 << 20);
    kept = arena_new((size_t)32 << 20);
    texts = arena_new((size_t)32 << 20);
    return scratch && kept && texts ? 0 : -1;
}

static int finish(void)
{
    arena_free(scratch);
    arena_free(kept);
    arena_free(texts);
    return 0;
}

void suite_model_stream(void)
{
    CU_pSuite suite = CU_add_suite("model_stream", begin, finish);
    UNIT_TEST(suite, model_stream_reads_every_way_of_framing);
    UNIT_TEST(suite, model_stream_reads_what_servers_put_into_chunks);
    UNIT_TEST(suite, model_stream_reads_content_in_parts);
    UNIT_TEST(suite, model_stream_puts_tool_calls_together);
    UNIT_TEST(suite, model_stream_knows_errors_in_the_stream);
    UNIT_TEST(suite, model_stream_refuses_garbage);
    UNIT_TEST(suite, model_stream_takes_an_answer_in_one_piece);
    UNIT_TEST(suite, model_stream_cleans_text);
    UNIT_TEST(suite, model_stream_bounds_the_answer);
    UNIT_TEST(suite, model_stream_bounds_lines_and_events);
    UNIT_TEST(suite, model_stream_bounds_an_object);
    UNIT_TEST(suite, model_stream_bounds_tool_calls);
    UNIT_TEST(suite, model_stream_says_nothing_after_a_stop);
    UNIT_TEST(suite, model_stream_does_not_grow_with_empty_deltas);
    UNIT_TEST(suite, model_stream_fails_well_when_memory_is_out);
    UNIT_TEST(suite, model_text_is_clean_once);
}
