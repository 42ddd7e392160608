// The open chat, and those that were open before: they are kept as they were, up to a number.
import { Conversation } from "./conversation.js";
import { go } from "./route.js";
import { conversation } from "./store.js";

const RECENT = 6;
const recent = new Map(); // by id; the oldest first

function adopt(chat) {
  recent.delete(chat.id);
  recent.set(chat.id, chat);
  for (const [id, old] of recent) {
    if (recent.size <= RECENT) break;
    if (old !== conversation.value) {
      old.close();
      recent.delete(id);
    }
  }
}

// A new chat that has got its id gets its address.
function onNew(chat) {
  adopt(chat);
  if (conversation.value === chat) go(chat.id, { replace: true });
}

export function openConversation(id) {
  const before = conversation.value;
  if (before && before.id === id && (id || !before.turn.value)) return;
  before?.pause();
  const known = id ? recent.get(id) : null;
  const chat = known ?? new Conversation(id, onNew);
  conversation.value = chat;
  if (!id) {
    chat.settleSends();
    return;
  }
  adopt(chat);
  if (!known) chat.open();
  else {
    chat.scrollWish.value = { to: "end" };
    chat.resume();
  }
}

export function forgetConversations() {
  for (const chat of recent.values()) chat.close();
  recent.clear();
}
