/*
 * What an import has done, in counts and ids.
 *
 * What must stay true: an id comes from another program's database, so only what a terminal can show is shown.
 */
#include "core/legacy_report.h"

#include <string.h>

static const char *const sentences[LEGACY_NOTES] = {
    [LEGACY_EMAIL_TAKEN] = "owners left out: an account has their e-mail address (--match-email puts their data there)",
    [LEGACY_OWNER_NAMELESS] = "owners left out: an id that is empty, too long or not UTF-8",
    [LEGACY_OF_SKIPPED_OWNER] = "messages left out with their owner",
    [LEGACY_TOO_LONG] = "messages left out: longer than max_message_bytes",
    [LEGACY_NO_TEXT] = "messages left out: without role or text",
    [LEGACY_BAD_TEXT] = "messages left out: not UTF-8",
    [LEGACY_NO_LIST] = "sessions whose messages are no JSON array",
    [LEGACY_EMAIL_BAD] = "owners without login: not an e-mail address",
    [LEGACY_ROLE_UNKNOWN] = "messages stored as assistant's, their own role in metadata.legacy_role",
    [LEGACY_TOOL_CALLS_LEFT] =
        "messages without their tool calls: neither array nor object, longer than 256 KiB, or not UTF-8",
    [LEGACY_METADATA_LEFT] = "messages without their metadata: longer than 64 KiB, or not UTF-8",
    [LEGACY_TITLE_CUT] = "titles cut to 200 characters",
    [LEGACY_HELPER_FITTED] = "sessions whose helper's name was made to fit",
    [LEGACY_HELPER_KEPT] =
        "sessions whose helper's name cannot fit: it stands in metadata.legacy_helper of the first message",
    [LEGACY_THREAD_UNNAMED] = "threads under a new name: theirs is empty, too long, or has control characters",
};

void legacy_report_note(struct legacy_report *report, enum legacy_note note, const char *id)
{
    struct legacy_remark *remark = &report->remarks[note];
    if (remark->count < LEGACY_NOTE_IDS) {
        char *shown = remark->ids[remark->count];
        size_t n = strnlen(id, LEGACY_NOTE_ID_MAX);
        for (size_t i = 0; i < n; i++)
            shown[i] = id[i];
        for (size_t i = 0; i < n; i++)
            if (shown[i] <= ' ' || shown[i] > '~')
                shown[i] = '?';
    }
    remark->count++;
}

static void print_remark(const struct legacy_remark *remark, const char *sentence, FILE *out)
{
    fprintf(out, "  %lld %s: ", (long long)remark->count, sentence);
    for (int i = 0; i < LEGACY_NOTE_IDS && i < remark->count; i++)
        fprintf(out, "%s%s", i ? ", " : "", remark->ids[i]);
    fputs(remark->count > LEGACY_NOTE_IDS ? ", ...\n" : "\n", out);
}

/* "  owners: 2 new, 1 there already" for what there is of it. */
static void print_counts(const char *what, const int64_t counts[4], FILE *out)
{
    static const char *const words[] = {"new", "there already", "matched by e-mail", "left out"};
    const char *before = "";
    if (!counts[0] && !counts[1] && !counts[2] && !counts[3])
        return;
    fprintf(out, "  %s: ", what);
    for (int i = 0; i < 4; i++)
        if (counts[i] || i < 2) {
            fprintf(out, "%s%lld %s", before, (long long)counts[i], words[i]);
            before = ", ";
        }
    fputc('\n', out);
}

void legacy_report_print(const struct legacy_report *report, FILE *out)
{
    fprintf(out, "%s\n", report->form);
    print_counts("owners",
                 (int64_t[]){report->owners_new, report->owners_there, report->owners_matched, report->owners_skipped},
                 out);
    print_counts("projects", (int64_t[]){report->projects_new, report->projects_there, 0, 0}, out);
    print_counts("sessions", (int64_t[]){report->sessions_new, report->sessions_there, 0, 0}, out);
    print_counts("messages", (int64_t[]){report->messages_new, report->messages_there, 0, report->messages_skipped},
                 out);
    if (report->tokens)
        fprintf(out, "  tokens: %lld\n", (long long)report->tokens);
    for (int note = 0; note < LEGACY_NOTES; note++)
        if (report->remarks[note].count)
            print_remark(&report->remarks[note], sentences[note], out);
}
