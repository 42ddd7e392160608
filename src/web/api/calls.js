// Every call of the API that the page makes, by name.
import { call, callOpenly, linkOf, respond } from "./http.js";

const COOKIE = { refresh: "cookie" };
const encode = encodeURIComponent;

// ---- the person ----

export const signUp = (fields) => callOpenly("POST", "/auth/signup", { ...fields, ...COOKIE });
export const signIn = (fields) => callOpenly("POST", "/auth/login", { ...fields, ...COOKIE });
export const signOutHere = () => callOpenly("POST", "/auth/logout", {});
export const signOutEverywhere = () => call("POST", "/auth/logout", { body: { all: true } });
export const changePassword = (fields) => call("POST", "/auth/password", { body: { ...fields, ...COOKIE } });
export const readMe = () => call("GET", "/users/me");
export const changeMe = (fields) => call("PATCH", "/users/me", { body: fields });
export const removeMe = () => call("DELETE", "/users/me");
export const readUsage = () => call("GET", "/usage");

// ---- sessions ----

// {items, next, etag}, or {unchanged: true} when the list is the one that etag names.
export async function listSessions({ path = null, limit = 50, project = null, etag = null }) {
  const filter = project ? `&project_id=${encode(project)}` : "";
  const response = await respond("GET", path ?? `/sessions?limit=${limit}${filter}`, {
    headers: etag ? { "If-None-Match": etag } : {},
  });
  if (response.status === 304) return { unchanged: true };
  return { items: await response.json(), next: linkOf(response, "next"), etag: response.headers.get("ETag") };
}

export const readSession = (id) => call("GET", `/sessions/${id}`);
export const renameSession = (id, title) => call("PUT", `/sessions/${id}/title`, { body: { title } });
export const moveSession = (id, project) => call("PATCH", `/sessions/${id}`, { body: { project_id: project } });
export const deleteSession = (id) => call("DELETE", `/sessions/${id}`);
export const restoreSession = (id) => call("POST", `/sessions/${id}/restore`);

// ---- messages and turns ----

// A page of the active path, oldest first: {items, older}, older being whether there are more before it.
export async function listMessages(id, { limit = 50, before = null } = {}) {
  const where = before === null ? "" : `&before=${before}`;
  const response = await respond("GET", `/sessions/${id}/messages?limit=${limit}${where}`);
  return { items: await response.json(), older: linkOf(response, "prev") !== null };
}

// The active path behind a seq to its end, oldest first.
export async function listMessagesAfter(id, seq) {
  const items = [];
  for (let path = `/sessions/${id}/messages?limit=200&after=${seq}`; path;) {
    const response = await respond("GET", path);
    items.push(...(await response.json()));
    path = linkOf(response, "next");
  }
  return items;
}

// Messages of every branch behind a seq, oldest first.
export async function listBranches(id, after) {
  const response = await respond("GET", `/sessions/${id}/messages?branches=all&limit=200&after=${after}`);
  return { items: await response.json(), more: linkOf(response, "next") !== null };
}

export const showBranch = (id, message) => call("PUT", `/sessions/${id}/active`, { body: { message_id: message } });
export const stopTurn = (id) => call("POST", `/sessions/${id}/stop`);
export const readEvents = (id, after, signal) => call("GET", `/sessions/${id}/events?after=${after}`, { signal });

const STREAM = { Accept: "text/event-stream" };

export function openChat(body, key, signal) {
  return respond("POST", "/chat", { body, signal, headers: { ...STREAM, "Idempotency-Key": key } });
}

export function openRegenerate(id, message, key, signal) {
  return respond("POST", `/sessions/${id}/messages/${message}/regenerate`, {
    body: {}, signal, headers: { ...STREAM, "Idempotency-Key": key },
  });
}

export function openStream(id, after, signal) {
  return respond("GET", `/sessions/${id}/stream`, { signal, headers: { ...STREAM, "Last-Event-ID": String(after) } });
}

// ---- what stands beside them ----

export const listHelpers = () => call("GET", "/helpers");
export const listProjects = () => call("GET", "/projects");
export const createProject = (name) => call("POST", "/projects", { body: { name } });
export const renameProject = (id, name) => call("PATCH", `/projects/${id}`, { body: { name } });
export const deleteProject = (id) => call("DELETE", `/projects/${id}`);
