/*
 * What an import has done: counts for each form, and what was left out or changed, by count and with the first few ids.
 * Never a message's text.
 */
#ifndef PARLEY_CORE_LEGACY_REPORT_H
#define PARLEY_CORE_LEGACY_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum legacy_note {
    /* left out */
    LEGACY_EMAIL_TAKEN,
    LEGACY_ID_TAKEN,
    LEGACY_OWNER_NAMELESS,
    LEGACY_OF_SKIPPED_OWNER,
    LEGACY_SESSION_FOREIGN,
    LEGACY_OF_FOREIGN_SESSION,
    LEGACY_TOO_LONG,
    LEGACY_NO_TEXT,
    LEGACY_BAD_TEXT,
    LEGACY_NO_LIST,
    LEGACY_NO_SESSION,
    LEGACY_NO_ID,
    LEGACY_TURN_TAKEN,
    LEGACY_TURN_TWICE,
    /* changed */
    LEGACY_EMAIL_BAD,
    LEGACY_ROLE_UNKNOWN,
    LEGACY_TOOL_CALLS_LEFT,
    LEGACY_METADATA_LEFT,
    LEGACY_JSON_MENDED,
    LEGACY_TITLE_CUT,
    LEGACY_HELPER_FITTED,
    LEGACY_HELPER_KEPT,
    LEGACY_THREAD_UNNAMED,
    LEGACY_NOTES
};

#define LEGACY_NOTE_IDS    5
#define LEGACY_NOTE_ID_MAX 80 /* bytes that are shown of an id */

struct legacy_remark {
    int64_t count;
    unsigned shown; /* how many ids are kept */
    bool more;      /* whether there were others */
    char ids[LEGACY_NOTE_IDS][LEGACY_NOTE_ID_MAX + 1];
};

struct legacy_report {
    const char *form;
    bool read; /* whether it was there */
    int64_t owners_new, owners_there, owners_matched, owners_matched_id, owners_skipped;
    int64_t projects_new, projects_there;
    int64_t sessions_new, sessions_there, sessions_skipped;
    int64_t messages_new, messages_there, messages_skipped;
    int64_t tokens;
    struct legacy_remark remarks[LEGACY_NOTES];
};

/* Counts a note about the thing with that id, which is kept once when it comes again and again. */
void legacy_report_note(struct legacy_report *report, enum legacy_note note, const char *id);

/* A paragraph for a form that had rows. */
void legacy_report_print(const struct legacy_report *report, FILE *out);

#endif
