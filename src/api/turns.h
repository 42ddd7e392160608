/*
 * Sending, in whatever words a dialect has for it: a turn is begun, found again, handed over to a relay.
 *
 * The caller says in api->handover how its viewer wants to be told (form, thread_twice) before it calls any of these.
 */
#ifndef PARLEY_API_TURNS_H
#define PARLEY_API_TURNS_H

#include "api/api.h"
#include "core/thread.h"
#include "core/turn.h"

/* Whether one JSON answer is asked for, and not events. */
bool turns_wants_json(const struct request *request);

/* The user's message in the body, by any of its names: not empty. */
const char *turns_text_field(struct api *api);

/* The model that the body names; NULL: none. Any but the configured one and those of the option `models` is a mistake.
 */
const char *turns_model_field(struct api *api);

/* The id after which a viewer wants events: Last-Event-ID or ?after=; -1: not said. */
long turns_after(struct api *api);

/* Begins the turn; one that this very request (its Idempotency-Key) began before is joined. thread: the session by its
 * name; NULL: new_turn names it, or it is made (created). */
enum status turns_begin(struct api *api, struct turn_new *new_turn, const struct thread_name *thread) MUST_CHECK;

/* A POST with Last-Event-ID comes from a client that lost its line: it means the turn that it began, by the key or else
 * by the text, never a new one. session_id NULL: in any session. text NULL (another answer was asked for): by the
 * event. */
enum status turns_resume(struct api *api, const char *session_id, const char *text, long after) MUST_CHECK;

/* Lets the client watch a turn from behind an event's id. */
enum status turns_watch(struct api *api, const struct turn *turn, long after) MUST_CHECK;

/* Fills what every handover says. */
void turns_hand_over(struct api *api, enum handover_kind kind, const struct uuid *session, const struct uuid *turn);

#endif
