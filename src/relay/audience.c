/*
 * Turns as their viewers see them.
 *
 * What must stay true: an audience is freed by its owner alone, from `settled` or `free`; a touched one that goes is
 * taken from the list of the touched first.
 */
#include "relay/audience.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "relay/state.h"
#include "relay/viewer.h"

/* The last digits of a UUIDv7 are random. */
static unsigned bucket_of(const struct uuid *turn)
{
    return (unsigned)strtoul(turn->text + UUID_LEN - 6, NULL, 16) % AUDIENCE_BUCKETS;
}

void audience_init(struct audience *audience, struct relay *relay, const struct audience_kind *kind,
                   const struct uuid *user, const struct uuid *session, const struct uuid *turn)
{
    struct audience_table *table = &relay->audiences;
    struct audience **bucket = &table->bucket[bucket_of(turn)];
    *audience = (struct audience){.relay = relay,
                                  .kind = kind,
                                  .user = *user,
                                  .session = *session,
                                  .turn = *turn,
                                  .chain = *bucket,
                                  .next = table->first};
    turn_log_init(&audience->log);
    if (table->first)
        table->first->previous = audience;
    *bucket = table->first = audience;
    table->count++;
}

static void untouch(struct audience_table *table, struct audience *audience)
{
    struct audience **at = &table->touched;
    while (*at && *at != audience)
        at = &(*at)->next_touched;
    if (*at)
        *at = audience->next_touched;
}

void audience_fini(struct audience *audience)
{
    struct audience_table *table = &audience->relay->audiences;
    while (audience->viewers)
        viewer_free(audience->viewers);
    if (audience->touched)
        untouch(table, audience);
    struct audience **at = &table->bucket[bucket_of(&audience->turn)];
    while (*at != audience)
        at = &(*at)->chain;
    *at = audience->chain;
    if (audience->next)
        audience->next->previous = audience->previous;
    if (audience->previous)
        audience->previous->next = audience->next;
    else
        table->first = audience->next;
    table->count--;
    turn_log_fini(&audience->log);
    free(audience->last_words);
}

struct audience *audience_find(const struct audience_table *table, const struct uuid *user, const struct uuid *turn)
{
    struct audience *audience = table->bucket[bucket_of(turn)];
    while (audience && (strcmp(audience->turn.text, turn->text) != 0 || strcmp(audience->user.text, user->text) != 0))
        audience = audience->chain;
    return audience;
}

void audience_touch(struct audience *audience)
{
    struct audience_table *table = &audience->relay->audiences;
    if (audience->touched)
        return;
    audience->touched = true;
    audience->next_touched = table->touched;
    table->touched = audience;
}

void audience_fail(struct audience *audience, const char *code, const char *message)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, audience->relay->scratch);
    json_writer_init(&json, &out);
    json_begin_object(&json);
    json_put_text(&json, "type", turn_event_name(TURN_ERROR));
    json_put_text(&json, "code", code);
    json_put_text(&json, "message", message);
    json_put_text(&json, "turn_id", audience->turn.text);
    json_end_object(&json);
    const char *text = buf_text(&out);
    free(audience->last_words);
    audience->last_words = text ? strdup(text) : NULL;
    audience->over = true;
    arena_reset(audience->relay->scratch);
    audience_touch(audience);
}

void audience_settle_all(struct audience_table *table)
{
    while (table->touched) {
        struct audience *audience = table->touched;
        table->touched = audience->next_touched;
        audience->touched = false;
        for (struct viewer *viewer = audience->viewers, *next; viewer; viewer = next) {
            next = viewer_next(viewer);
            viewer_push(viewer);
        }
        audience->kind->settled(audience);
    }
}
