/*
 * Messages of one owner, gathered until they are worth a transaction: rows of another application made into what
 * Parley keeps.
 */
#ifndef PARLEY_CORE_LEGACY_CHUNK_H
#define PARLEY_CORE_LEGACY_CHUNK_H

#include "base/buf.h"
#include "base/json_writer.h"
#include "core/legacy.h"
#include "core/legacy_form.h"
#include "core/legacy_report.h"

struct legacy_chunk {
    struct legacy *legacy;
    const struct legacy_form *form;
    struct legacy_report *report;
    struct buf sessions_text, messages_text;
    struct json_writer sessions, messages;
    unsigned session_count, message_count;
    struct uuid session; /* of the messages that are added */
    bool helper_waits;   /* for a message to keep a helper's name that cannot fit */
};

/* Empties it; its memory is the call's arena, after whose reset this must be called. */
void legacy_chunk_reset(struct legacy_chunk *chunk);

/* From here on messages belong to the row's session. */
enum status legacy_chunk_session(struct legacy_chunk *chunk, const struct legacy_row *row) MUST_CHECK;

/* Adds the row's message, or notes why not. */
enum status legacy_chunk_message(struct legacy_chunk *chunk, const struct legacy_row *row) MUST_CHECK;

bool legacy_chunk_is_full(const struct legacy_chunk *chunk);

/* Stores what was gathered as the call's user and counts it in the report. */
enum status legacy_chunk_store(struct legacy_chunk *chunk) MUST_CHECK;

#endif
