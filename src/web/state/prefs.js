// What this device remembers of how the page looks. page/theme.js applies the theme before anything is drawn.
import { effect } from "@preact/signals";
import { store, stored } from "../lib/storage.js";
import { sidebarFolded, theme } from "./store.js";

export function startPrefs() {
  theme.value = ["light", "dark"].includes(stored("theme")) ? stored("theme") : "auto";
  sidebarFolded.value = stored("folded") === true;
  effect(() => {
    store("theme", theme.value === "auto" ? null : theme.value);
    document.documentElement.dataset.theme = theme.value;
  });
  effect(() => store("folded", sidebarFolded.value || null));
}
