/*
 * Copies: what front ends save themselves around a turn that stores the same. They save the user's message, send its
 * text, and save the answer that they read.
 *
 * What must stay true: each message is stored once, and nothing that a client saves is lost.
 */
#ifndef PARLEY_CORE_COPY_H
#define PARLEY_CORE_COPY_H

#include "core/message.h"
#include "core/turn.h"

/* Stores a message unless the end of the active path holds it: then that one is given back, and *stored is false.
 * keyed: the client marks its repetitions by idempotency keys. Else as message_append. */
enum status copy_save(struct call *call, const struct uuid *session, const struct message_new *new_message, bool keyed,
                      struct message *message, bool *stored) MUST_CHECK;

/* Looks whether the client saved the text of a turn before. Then the turn is made one that answers that message; or,
 * where one does so already, turn->id and session name that (else id is ""), nothing is to begin, and the transaction
 * is committed. Otherwise it stays open: go on in it. */
enum status copy_question(struct call *call, struct turn_new *new_turn, struct turn *turn) MUST_CHECK;

#endif
