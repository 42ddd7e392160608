// What keys do, wherever the focus is. The help sheet (shortcuts-sheet.js) shows this table.
import { copyText } from "../lib/clipboard.js";
import { announce } from "../state/notices.js";
import { go } from "../state/route.js";
import { removeChat } from "../state/sessions.js";
import { chatId, conversation, dialog, phase, sessions, sidebarFolded, sidebarOpen } from "../state/store.js";
import { renaming } from "./chat-list.js";
import { focusComposer } from "./composer.js";
import { newChat, toggleSidebar } from "./sidebar.js";

export const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);

function step(by) {
  const at = sessions.value.findIndex(({ session_id }) => session_id === chatId.value);
  const to = sessions.value[at < 0 ? 0 : at + by];
  if (to) go(to.session_id);
}

async function copyLast(what) {
  const last = conversation.value?.messages.value.findLast(({ role, content }) => role === "assistant" && content);
  const text = what === "answer" ? last?.content : [...document.querySelectorAll(".answer .code code")].at(-1)?.textContent;
  if (text && (await copyText(text))) announce("Copied.");
}

function renameOpen() {
  if (!chatId.value) return;
  sidebarFolded.value = false;
  if (matchMedia("(max-width: 760px)").matches) sidebarOpen.value = true;
  renaming.start(chatId.value);
}

// keys: mod is Ctrl, or Command on a Mac.
export const SHORTCUTS = [
  { keys: "mod+shift+o", text: "New chat", run: newChat },
  { keys: "shift+escape", text: "Go to the message field", run: focusComposer },
  { keys: "mod+shift+s", text: "Open or close the sidebar", run: toggleSidebar },
  { keys: "alt+arrowup", text: "Previous chat in the list", run: () => step(-1) },
  { keys: "alt+arrowdown", text: "Next chat in the list", run: () => step(1) },
  { keys: "mod+shift+c", text: "Copy the last answer", run: () => copyLast("answer") },
  { keys: "mod+shift+;", text: "Copy the last code block", run: () => copyLast("code") },
  { keys: "mod+shift+e", text: "Rename this chat", run: renameOpen },
  { keys: "mod+shift+backspace", text: "Delete this chat", run: () => chatId.value && removeChat(chatId.value) },
  { keys: "mod+/", text: "This sheet", run: () => (dialog.value = { kind: "shortcuts" }) },
];

// What belongs to one place, for the sheet alone.
export const PLACES = [
  { keys: "enter", text: "Send" },
  { keys: "shift+enter", text: "New line" },
  { keys: "arrowup", text: "Edit your last message (in an empty field)" },
  { keys: "mod+enter", text: "Send the edited message" },
  { keys: "escape", text: "Stop the answer" },
  { keys: "f2", text: "Rename a chat of the list" },
  { keys: "delete", text: "Delete a chat of the list" },
];

function pressed(event) {
  const mod = isMac ? event.metaKey : event.ctrlKey;
  const key = event.code === "Semicolon" ? ";" : event.code === "Slash" && mod ? "/" : event.key.toLowerCase();
  return [mod && "mod", event.altKey && "alt", event.shiftKey && key !== "/" && "shift", key].filter(Boolean).join("+");
}

function onEscape(event) {
  if (sidebarOpen.value) sidebarOpen.value = false;
  else if (conversation.value?.turn.value) conversation.value.stop();
  else return;
  event.preventDefault();
}

export function startShortcuts() {
  addEventListener("keydown", (event) => {
    if (phase.value !== "in" || event.defaultPrevented || event.isComposing || dialog.value) return;
    const keys = pressed(event);
    if (keys === "escape") return onEscape(event);
    const isTyping = event.target.closest?.("input, textarea, select");
    if (event.key === "?" && !isTyping) dialog.value = { kind: "shortcuts" };
    else {
      const found = SHORTCUTS.find((shortcut) => shortcut.keys === keys);
      if (!found) return undefined;
      found.run();
    }
    return event.preventDefault();
  });
}
