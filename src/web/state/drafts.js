// What was typed and not sent, kept on this device per person: in the field of a chat, or over a message that is being edited.
import { store, stored } from "../lib/storage.js";
import { user } from "./store.js";

// chat: null is the new one. message: the id of the one that is edited.
const nameOf = (chat, message) => ["draft", user.value?.user_id ?? "nobody", chat ?? "new", message].filter(Boolean).join(".");

export const readDraft = (chat, message = null) => stored(nameOf(chat, message)) ?? "";

// From a chat that is gone to the new one, where nothing waits yet.
export function saveDraft(chat) {
  dispatchEvent(new Event("keepdrafts"));
  if (!readDraft(chat) || readDraft(null)) return;
  keepDraft(null, readDraft(chat));
  keepDraft(chat, "");
}

export function keepDraft(chat, text, message = null) {
  if (user.value) store(nameOf(chat, message), text || null);
}
