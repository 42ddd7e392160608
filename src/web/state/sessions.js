// The list of chats: read page by page, shown from this device's copy first, kept the same in all tabs.
//
// What must stay true: what was changed here stands; an answer to what was asked before that, or while the change was under way, does not undo it.
import { batch } from "@preact/signals";
import * as api from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { onTabs, tellTabs } from "../lib/tabs.js";
import { store, stored } from "../lib/storage.js";
import { saveDraft } from "./drafts.js";
import { notify, notifyUndo } from "./notices.js";
import { go } from "./route.js";
import { chatId, listNext, listState, projectFilter, sessions, user, writing } from "./store.js";

const PAGE = 50;
const byTime = (a, b) => (a.last_message_at < b.last_message_at ? 1 : a.last_message_at > b.last_message_at ? -1 : a.session_id < b.session_id ? 1 : -1);

let etag = null;
let reading = null; // the one read of the list's begin
let era = 0; // grows when the filter changes: answers from before are let go

const cacheName = () => `sessions.${user.value.user_id}`;
const filterName = () => `sessions.project.${user.value.user_id}`;

// What is gone here is not kept; the server then names another list.
function keepCopy({ etag: tag, items, next }) {
  const left = items.filter(({ session_id }) => !isGone(session_id));
  store(cacheName(), { etag: left.length < items.length ? null : tag, items: left, next });
}

// ---- what was changed here ----

let clock = 0; // counts questions and changes
const changes = new Map(); // by id: the chat as it is here, null where it is gone; and when that came to be

const note = (id, session) => changes.set(id, { session, at: ++clock });
const isGone = (id) => changes.get(id)?.session === null;

// Asks for a change that is shown already; it stands at least until that is answered.
async function change(id, ask) {
  const made = changes.get(id) ?? {};
  made.at = Infinity;
  try {
    return await ask();
  } finally {
    made.at = ++clock;
  }
}

// After an answer to what was asked at that time: it is the truth of what was changed before.
function changeAgain(asked, items) {
  for (const { session_id } of items) if (changes.get(session_id)?.at < asked) changes.delete(session_id);
  for (const [id, { session, at }] of changes) {
    if (at < asked) continue;
    if (session) place(session);
    else takeOut(id);
  }
}

export function startSessions() {
  onTabs("session", (session) => session && put(session));
  onTabs("deleted", removeElsewhere);
  onTabs("writing", ({ id, is }) => mark(id, is));
}

// From this device's copy at once, then from the server.
export function openList() {
  era++;
  etag = null;
  reading = null;
  const copy = projectFilter.value ? null : stored(cacheName());
  batch(() => {
    sessions.value = copy?.items ?? [];
    listNext.value = copy?.next ?? null;
    listState.value = copy ? "ready" : "loading";
  });
  etag = copy?.etag ?? null;
  return refreshList();
}

// Where the person was before a reload.
export function startList() {
  projectFilter.value = stored(filterName());
  openList();
}

export function chooseProject(id) {
  projectFilter.value = id;
  store(filterName(), id);
  openList();
}

// Asks whether the begin of the list has changed. Answers the chats that did.
export function refreshList() {
  reading ??= readBegin(era).finally(() => (reading = null));
  return reading;
}

async function readBegin(mine) {
  const asked = ++clock;
  try {
    const page = await api.listSessions({ limit: PAGE, project: projectFilter.value, etag });
    if (mine !== era) return [];
    listState.value = "ready";
    return page.unchanged ? [] : merge(page, asked);
  } catch (error) {
    if (mine === era && listState.value === "loading") listState.value = "failed";
    return [];
  }
}

// The fresh begin stands for everything as new as its last row; what was read further down stays.
function merge({ items, next, etag: tag }, asked) {
  const known = new Map(sessions.value.map((session) => [session.session_id, session]));
  const fresh = new Set(items.map(({ session_id }) => session_id));
  const last = items.at(-1);
  const older = next && last ? sessions.value.filter((session) => !fresh.has(session.session_id) && byTime(last, session) < 0) : [];
  const changed = items.filter((session) => known.get(session.session_id)?.updated_at !== session.updated_at);
  etag = tag;
  batch(() => {
    sessions.value = [...items, ...older];
    if (!older.length) listNext.value = next;
    changeAgain(asked, items);
    // An answer whose chat has moved on is over, unless it is followed here.
    for (const { session_id } of changed) if (session_id !== chatId.value) mark(session_id, false);
  });
  if (!projectFilter.value && user.value) keepCopy({ etag, items, next });
  return changed;
}

const AFTER_FAILURE_MS = 3000;
let readingMore = false;

export async function readMore() {
  if (readingMore || !listNext.value) return;
  readingMore = true;
  const mine = era;
  const asked = ++clock;
  try {
    const page = await api.listSessions({ path: listNext.value.replace(/limit=\d+/, "limit=100") });
    // Before the list grows, for whoever is still at its end then asks for more.
    readingMore = false;
    if (mine !== era) return;
    const known = new Set(sessions.value.map(({ session_id }) => session_id));
    batch(() => {
      listNext.value = page.next;
      sessions.value = [...sessions.value, ...page.items.filter(({ session_id }) => !known.has(session_id))];
      changeAgain(asked, page.items);
    });
  } catch (error) {
    if (mine === era && error.code !== "unreachable") notify(sentenceOf(error), { kind: "error" });
    setTimeout(() => (readingMore = false), AFTER_FAILURE_MS);
  }
}

// ---- one chat ----

// What is known of a chat, into its place.
function put(session) {
  note(session.session_id, session);
  place(session);
}

function place(session) {
  const others = sessions.value.filter(({ session_id }) => session_id !== session.session_id);
  if (projectFilter.value && session.project_id !== projectFilter.value) {
    sessions.value = others;
    return;
  }
  const at = others.findIndex((other) => byTime(session, other) < 0);
  sessions.value = at < 0 ? [...others, session] : others.toSpliced(at, 0, session);
}

export function learnSession(session) {
  if (isGone(session.session_id)) return;
  put(session);
  tellTabs("session", session);
}

export function changeSession(id, change) {
  const session = sessions.value.find(({ session_id }) => session_id === id);
  if (session) learnSession({ ...session, ...change });
}

// Reads a chat that is not in the part of the list that was read, or is newer than it.
export async function refreshSession(id) {
  const session = await api.readSession(id);
  learnSession(session);
  return session;
}

function remove(id) {
  note(id, null);
  takeOut(id);
  const copy = stored(cacheName());
  if (copy) keepCopy(copy);
  if (chatId.value === id) go(null);
}

function removeElsewhere(id) {
  if (chatId.value === id) {
    saveDraft(id);
    notify("This chat was deleted in another tab.");
  }
  remove(id);
}

function takeOut(id) {
  sessions.value = sessions.value.filter(({ session_id }) => session_id !== id);
}

export function mark(id, is) {
  if (writing.value.has(id) === is) return;
  const next = new Set(writing.value);
  if (is) next.add(id);
  else next.delete(id);
  writing.value = next;
}

export function markWriting(id, is) {
  mark(id, is);
  tellTabs("writing", { id, is });
}

// ---- what people do with chats ----

export async function rename(id, title) {
  const before = sessions.value.find(({ session_id }) => session_id === id);
  const wanted = title.replace(/\s+/g, " ").trim();
  if (!wanted || wanted === before?.title) return;
  changeSession(id, { title: wanted });
  try {
    learnSession(await change(id, () => api.renameSession(id, wanted)));
  } catch (error) {
    if (before) learnSession(before);
    notify(`The chat was not renamed. ${sentenceOf(error)}`, { kind: "error" });
  }
}

export async function removeChat(id) {
  const before = sessions.value.find(({ session_id }) => session_id === id);
  const wasOpen = chatId.value === id;
  remove(id);
  tellTabs("deleted", id);
  try {
    await change(id, () => api.deleteSession(id));
    notifyUndo("deleted", (count) => (count > 1 ? `${count} chats deleted.` : "Chat deleted."), () => restore(id, wasOpen));
  } catch (error) {
    if (before) bringBack(before);
    if (error.status !== 404) notify(`The chat was not deleted. ${sentenceOf(error)}`, { kind: "error" });
  }
}

function bringBack(session) {
  changes.delete(session.session_id);
  learnSession(session);
}

// Answers whether it is there again.
export async function restore(id, open) {
  try {
    bringBack(await api.restoreSession(id));
    if (open) go(id);
    return true;
  } catch (error) {
    notify(`The chat was not brought back. ${sentenceOf(error)}`, { kind: "error" });
    return false;
  }
}

export async function moveChat(id, project) {
  const before = sessions.value.find(({ session_id }) => session_id === id);
  changeSession(id, { project_id: project });
  try {
    learnSession(await change(id, () => api.moveSession(id, project)));
  } catch (error) {
    if (before) learnSession(before);
    notify(`The chat was not moved. ${sentenceOf(error)}`, { kind: "error" });
  }
}
