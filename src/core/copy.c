/* Copies: what front ends save themselves around a turn that stores the same. */
#include "core/copy.h"

#include <string.h>

enum status copy_save(struct call *call, const struct uuid *session, const struct message_new *new_message, bool keyed,
                      struct message *message, bool *stored)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_MESSAGE_COPY, call->user.text, session->text, new_message->id.text, new_message->role,
               new_message->content, new_message->tool_calls, new_message->metadata, db_bool(keyed));
    enum status status = message_run_for_one(call, rows, message);
    *stored = status == ST_OK && strcmp(message->id.text, new_message->id.text) == 0;
    return status;
}

enum status copy_question(struct call *call, struct turn_new *new_turn, struct turn *turn)
{
    const struct db_rows *rows =
        db_add(&call->tx, QUERY_TURN_COPY_QUESTION, call->user.text, new_turn->session.text, new_turn->text);
    enum status status = call_run_on(call);
    *turn = (struct turn){.session = new_turn->session};
    if (status != ST_OK || rows->count == 0)
        return status;
    if (!row_uuid(rows, 0, 2, &turn->id)) {
        new_turn->parent_id = row_text(rows, 0, 1);
        new_turn->text = NULL;
        return row_uuid(rows, 0, 0, &new_turn->user_message) ? ST_OK : ST_INTERNAL;
    }
    if (new_turn->key)
        db_add(&call->tx, QUERY_TURN_NOTE_KEY, call->user.text, new_turn->key, turn->id.text);
    call->end = DB_COMMIT;
    return call_run(call);
}
