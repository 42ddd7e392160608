// All that the page knows, in one place. Views read these signals; only the other files of this folder write them.
import { computed, signal } from "@preact/signals";

// "starting" until it is known whether somebody is signed in; then "in" or "out".
export const phase = signal("starting");
export const user = signal(null); // {user_id, email, display_name}
export const signedOutBecause = signal(null); // a sentence for the sign-in form

// The chat that the address names; null: a new one.
export const chatId = signal(null);

// The list of chats: newest first, as far as it was read.
export const sessions = signal([]);
export const listState = signal("empty"); // "empty" (nothing read yet), "loading", "ready", "failed"
export const listNext = signal(null); // where it goes on; null: all is read
export const projectFilter = signal(null); // the id of a project; null: all chats
export const writing = signal(new Set()); // ids of chats in which an answer is being written, as far as known

export const projects = signal([]);
export const helpers = signal([]);
export const chosenHelper = signal(null); // for the next new chat

// The chat that is open, a Conversation (conversation.js).
export const conversation = signal(null);

export const notices = signal([]); // {id, text, action, run}
export const announcement = signal(""); // for screen readers
export const dialog = signal(null); // {kind, ...}: the one that is open
export const sidebarOpen = signal(false); // on a phone
export const sidebarFolded = signal(false); // on a desktop
export const theme = signal("auto");
export const isOnline = signal(navigator.onLine);

export const currentSession = computed(() => sessions.value.find(({ session_id }) => session_id === chatId.value) ?? null);
