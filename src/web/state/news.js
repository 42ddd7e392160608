// Finds out what other tabs and devices did: told by tabs, asked of the server while the page is looked at.
import { onTabs } from "../lib/tabs.js";
import { refreshList } from "./sessions.js";
import { conversation, isOnline, phase } from "./store.js";

const EVERY_MS = 10000;
const HIDDEN_MS = 15000; // a page that is hidden so long stops watching its turn
let hidden = null;

async function look() {
  if (phase.value !== "in" || document.hidden || !navigator.onLine) return;
  const changed = await refreshList();
  const chat = conversation.value;
  if (chat?.id && changed.some(({ session_id }) => session_id === chat.id)) chat.sync();
}

function onVisibility() {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => conversation.value?.pause(), HIDDEN_MS);
    return;
  }
  conversation.value?.resume();
  look();
}

function onOnline() {
  isOnline.value = navigator.onLine;
  if (!isOnline.value) return;
  look();
  const chat = conversation.value;
  if (chat?.state.value === "failed") chat.open();
  else chat?.sync();
}

export function startNews() {
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("focus", look);
  addEventListener("online", onOnline);
  addEventListener("offline", onOnline);
  const sync = (id) => conversation.value?.id === id && conversation.value.sync();
  onTabs("changed", sync);
  onTabs("writing", ({ id, is }) => is && sync(id));
}
