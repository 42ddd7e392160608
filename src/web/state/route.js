// The address: / is a new chat, /c/{id} a chat, whether there is one or not.
import { chatId, sidebarOpen } from "./store.js";

const CHAT = /^\/c\/([\w-]+)$/;

function read() {
  chatId.value = CHAT.exec(location.pathname)?.[1].toLowerCase() ?? null;
}

export function startRoute() {
  addEventListener("popstate", read);
  read();
}

export const addressOf = (id) => (id ? `/c/${id}` : "/");

export function go(id, { replace = false } = {}) {
  const address = addressOf(id);
  if (location.pathname !== address) history[replace ? "replaceState" : "pushState"](null, "", address);
  sidebarOpen.value = false;
  read();
}
