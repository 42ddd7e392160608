// Sends that the server has not confirmed, kept on this device per person and chat.
//
// What must stay true: a text leaves the outbox only when the server has it or its person lets it go; it goes again only with the key of its first
// time, so that it cannot arrive twice; and what was told to have failed goes again only when the person says so.
import { randomId } from "../lib/random.js";
import { store, stored, storedNames, tabId } from "../lib/storage.js";
import { user } from "./store.js";

const ADOPT_MS = 30000; // what a tab has not settled for so long, another may take over
const KEY_LIFE_MS = 20 * 3600 * 1000; // the server remembers keys a little longer
const here = tabId(randomId);

const folderOf = (chat) => `outbox.${user.value?.user_id ?? "nobody"}.${chat ?? "new"}.`;

function keep(send) {
  if (user.value) store(folderOf(send.chat) + send.key, send);
}

// {key, chat, body, edited, at, tab, failure}: chat is null for a new one, body what POST /chat gets, edited the id of the message that it takes the
// place of, failure the sentence that the person was told.
export function keepSend(chat, body, edited = null) {
  const send = { key: randomId(), chat, body, edited, at: Date.now(), tab: here };
  keep(send);
  return send;
}

export const dropSend = ({ chat, key }) => store(folderOf(chat) + key, null);

export function failSend(send, failure) {
  const failed = { ...send, failure };
  keep(failed);
  return failed;
}

// Those of a chat that this tab began, or that another has left behind, oldest first.
export function openSends(chat) {
  const now = Date.now();
  return storedNames(folderOf(chat))
    .map((name) => stored(name))
    .filter((send) => send && (send.tab === here || now - send.at > ADOPT_MS))
    .sort((a, b) => a.at - b.at);
}

// The server may have forgotten its key: who sends it again is to know that.
export const isStale = ({ at }) => Date.now() - at > KEY_LIFE_MS;
