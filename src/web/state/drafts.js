// What was typed and is not yet on the server, per person and chat: drafts, and sends whose fate is not known.
//
// What must stay true: a text leaves the outbox only when the server has it, and goes again only with the key of its first time, so that it cannot
// arrive twice.
import { randomId } from "../lib/random.js";
import { store, stored, tabId } from "../lib/storage.js";
import { user } from "./store.js";

const ADOPT_MS = 30000; // what a tab has not settled for so long, another may take over
const KEY_LIFE_MS = 20 * 3600 * 1000; // the server remembers keys a little longer
const here = tabId(randomId);

const nameOf = (kind, id) => `${kind}.${user.value?.user_id ?? "nobody"}.${id ?? "new"}`;

export const readDraft = (id) => stored(nameOf("draft", id)) ?? "";

export function keepDraft(id, text) {
  if (user.value) store(nameOf("draft", id), text || null);
}

// {key, body, at, tab}: body is what POST /chat gets.
export function keepSend(id, body) {
  const send = { key: randomId(), body, at: Date.now(), tab: here };
  store(nameOf("outbox", id), send);
  return send;
}

export const dropSend = (id) => store(nameOf("outbox", id), null);

// A send that this tab began before a reload, or another tab before it was closed.
export function openSend(id) {
  const send = stored(nameOf("outbox", id));
  if (!send) return null;
  if (send.tab !== here && Date.now() - send.at < ADOPT_MS) return null;
  return { ...send, isStale: Date.now() - send.at > KEY_LIFE_MS };
}
