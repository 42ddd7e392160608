/*
 * What an import has done, in counts and ids.
 *
 * What must stay true: an id comes from another program's database, so only what a terminal can show is shown.
 */
#include "core/legacy_report.h"

#include <string.h>

/* The noun takes an s where there are more than one. */
static const struct {
    const char *noun, *rest;
} sentences[LEGACY_NOTES] = {
    [LEGACY_EMAIL_TAKEN] = {"owner",
                            "left out: an account has their e-mail address (--match-email puts their data there)"},
    [LEGACY_ID_TAKEN] = {"owner", "left out: their id has an account here already; --match-id takes them for the same "
                                  "people"},
    [LEGACY_OWNER_NAMELESS] = {"owner", "left out: an id that is empty, too long or not UTF-8"},
    [LEGACY_OF_SKIPPED_OWNER] = {"message", "left out with the owner"},
    [LEGACY_SESSION_FOREIGN] = {"session", "left out: their id is here already, and not from this source"},
    [LEGACY_OF_FOREIGN_SESSION] = {"message", "left out with the session"},
    [LEGACY_TOO_LONG] = {"message", "left out: longer than max_message_bytes"},
    [LEGACY_NO_TEXT] = {"message", "left out: without role or text"},
    [LEGACY_BAD_TEXT] = {"message", "left out: not UTF-8"},
    [LEGACY_NO_LIST] = {"session", "whose messages are no JSON array"},
    [LEGACY_NO_SESSION] = {"message", "left out: without a session"},
    [LEGACY_NO_ID] = {"message", "left out: without an id, in session"},
    [LEGACY_TURN_TAKEN] = {"message", "left out: the text of a turn that a message with the same role names"},
    [LEGACY_TURN_TWICE] = {"message", "left out: of a turn whose id another one in the session has"},
    [LEGACY_EMAIL_BAD] = {"owner", "without login: not an e-mail address"},
    [LEGACY_ROLE_UNKNOWN] = {"message", "stored as assistant's, the old role in metadata.legacy_role"},
    [LEGACY_TOOL_CALLS_LEFT] = {"message",
                                "without tool calls: neither array nor object, longer than 256 KiB, or not UTF-8"},
    [LEGACY_METADATA_LEFT] = {"message", "without metadata: longer than 64 KiB, or not UTF-8"},
    [LEGACY_JSON_MENDED] = {"row", "of JSON mended: a number became a string, or an escape like \\u0000 plain text"},
    [LEGACY_TITLE_CUT] = {"title", "cut to 200 characters"},
    [LEGACY_HELPER_FITTED] = {"session", "whose helper's name was made to fit"},
    [LEGACY_HELPER_KEPT] = {"session", "whose helper's name cannot fit: it stands in metadata.legacy_helper of the "
                                       "first message"},
    [LEGACY_THREAD_UNNAMED] = {"thread", "under a new name: the old one is empty, too long, or has control characters"},
};

/* What a terminal can show of an id. */
static void show_id(const char *id, char shown[LEGACY_NOTE_ID_MAX + 1])
{
    size_t n = strnlen(id, LEGACY_NOTE_ID_MAX);
    for (size_t i = 0; i < n; i++)
        shown[i] = id[i] > ' ' && id[i] <= '~' ? id[i] : '?';
    shown[n] = '\0';
}

void legacy_report_note(struct legacy_report *report, enum legacy_note note, const char *id)
{
    struct legacy_remark *remark = &report->remarks[note];
    char shown[LEGACY_NOTE_ID_MAX + 1];
    remark->count++;
    show_id(id, shown);
    if (remark->shown && strcmp(remark->ids[remark->shown - 1], shown) == 0)
        return;
    remark->more = remark->shown == LEGACY_NOTE_IDS;
    if (!remark->more)
        memcpy(remark->ids[remark->shown++], shown, sizeof(shown));
}

static void print_remark(const struct legacy_remark *remark, enum legacy_note note, FILE *out)
{
    fprintf(out, "  %lld %s%s %s: ", (long long)remark->count, sentences[note].noun, remark->count == 1 ? "" : "s",
            sentences[note].rest);
    for (unsigned i = 0; i < remark->shown; i++)
        fprintf(out, "%s%s", i ? ", " : "", remark->ids[i]);
    fputs(remark->more ? ", ...\n" : "\n", out);
}

/* "  owners: 2 new, 1 there already" for what there is of it. */
static void print_counts(const char *what, const int64_t counts[5], FILE *out)
{
    static const char *const words[] = {"new", "there already", "matched by e-mail", "matched by id", "left out"};
    const char *before = "";
    if (!counts[0] && !counts[1] && !counts[2] && !counts[3] && !counts[4])
        return;
    fprintf(out, "  %s: ", what);
    for (int i = 0; i < 5; i++)
        if (counts[i] || i < 2) {
            fprintf(out, "%s%lld %s", before, (long long)counts[i], words[i]);
            before = ", ";
        }
    fputc('\n', out);
}

/* Whether a row of it was seen: a session, a project and tokens have an owner, and so has a message in a session. */
static bool has_rows(const struct legacy_report *report)
{
    return report->owners_new || report->owners_there || report->owners_matched || report->owners_matched_id ||
           report->owners_skipped || report->messages_skipped;
}

void legacy_report_print(const struct legacy_report *report, FILE *out)
{
    if (!has_rows(report))
        return;
    fprintf(out, "%s\n", report->form);
    print_counts("owners",
                 (int64_t[]){report->owners_new, report->owners_there, report->owners_matched,
                             report->owners_matched_id, report->owners_skipped},
                 out);
    print_counts("projects", (int64_t[]){report->projects_new, report->projects_there, 0, 0, 0}, out);
    print_counts("sessions", (int64_t[]){report->sessions_new, report->sessions_there, 0, 0, report->sessions_skipped},
                 out);
    print_counts("messages", (int64_t[]){report->messages_new, report->messages_there, 0, 0, report->messages_skipped},
                 out);
    if (report->tokens)
        fprintf(out, "  tokens: %lld\n", (long long)report->tokens);
    for (int note = 0; note < LEGACY_NOTES; note++)
        if (report->remarks[note].count)
            print_remark(&report->remarks[note], (enum legacy_note)note, out);
}
