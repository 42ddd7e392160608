/*
 * The shapes of small inputs: the only user of PCRE2.
 *
 * What must stay true: every pattern is anchored with \A and \z, needs no backtracking that grows faster than its
 * input, and says nothing about what a program could say more plainly. Text that hits the match limit does not match.
 */
#include "base/pattern.h"

#include <stddef.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 10000

/* A label of a host name: letters, digits and inner hyphens, up to 63. */
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

/* A host by name or by address in brackets, and a port. */
#define HOST "(?:[A-Za-z0-9._-]++|\\[[0-9A-Fa-f:.]++\\])(?::[0-9]{1,5}+)?+"

static const char *const patterns[] = {
    [PATTERN_EMAIL] = "\\A(?=.{3,254}\\z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}+@" LABEL "(?:\\." LABEL ")++\\z",
    [PATTERN_IDEMPOTENCY_KEY] = "\\A[!-~]{1,255}+\\z",
    [PATTERN_REQUEST_ID] = "\\A[A-Za-z0-9._-]{8,64}+\\z",
    [PATTERN_NAME] = "\\A[a-z][a-z0-9_-]{0,63}+\\z",
    [PATTERN_HTTP_URL] = "\\A(?=.{1,2048}\\z)(?i:https?)://" HOST "(?:[/?#][!-~]*+)?+\\z",
    [PATTERN_MOMENT] = "\\A(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
                       "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
                       "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
                       "[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,9})?)?"
                       " ?(?:Z|UTC|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?\\z",
};
_Static_assert(sizeof(patterns) / sizeof(patterns[0]) == PATTERN_COUNT, "a row for every pattern");

/* Made by pattern_init, read-only but for the match data, which every match overwrites. */
static pcre2_code *codes[PATTERN_COUNT];
static pcre2_match_data *match_data;
static pcre2_match_context *match_context;

static bool pattern_compile(enum pattern pattern)
{
    int problem;
    PCRE2_SIZE at;
    PCRE2_SPTR text = (PCRE2_SPTR)patterns[pattern];
    codes[pattern] = pcre2_compile(text, PCRE2_ZERO_TERMINATED, 0, &problem, &at, NULL);
    if (!codes[pattern])
        return false;
    /* Where the machine cannot do JIT the interpreter does, under the same limit. */
    (void)pcre2_jit_compile(codes[pattern], PCRE2_JIT_COMPLETE);
    return true;
}

bool pattern_init(void)
{
    if (!match_data)
        match_data = pcre2_match_data_create(1, NULL);
    if (!match_context)
        match_context = pcre2_match_context_create(NULL);
    if (!match_data || !match_context)
        return false;
    pcre2_set_match_limit(match_context, MATCH_LIMIT);
    for (enum pattern pattern = 0; pattern < PATTERN_COUNT; pattern++)
        if (!codes[pattern] && !pattern_compile(pattern))
            return false;
    return true;
}

bool pattern_matches(enum pattern pattern, const char *text)
{
    return pcre2_match(codes[pattern], (PCRE2_SPTR)text, strlen(text), 0, 0, match_data, match_context) > 0;
}
