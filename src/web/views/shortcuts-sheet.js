// The help sheet of keys.
import { html } from "../lib/html.js";
import { isMac, PLACES, SHORTCUTS } from "./shortcuts.js";

const NAMES = {
  mod: isMac ? "⌘" : "Ctrl", alt: isMac ? "⌥" : "Alt", shift: isMac ? "⇧" : "Shift", escape: "Esc", enter: "Enter", arrowup: "↑", arrowdown: "↓", backspace: "Backspace", delete: "Delete",
};

function Keys({ keys }) {
  return html`<span class="keys">${keys.split("+").map((key) => html`<kbd>${NAMES[key] ?? key.toUpperCase()}</kbd>`)}</span>`;
}

function Table({ title, rows }) {
  return html`<section><h3>${title}</h3><dl class="shortcut-list">
    ${rows.map(({ keys, text }) => html`<div><dt>${text}</dt><dd><${Keys} keys=${keys} /></dd></div>`)}
  </dl></section>`;
}

export function ShortcutsSheet() {
  return html`<div class="shortcuts"><${Table} title="Everywhere" rows=${SHORTCUTS} /><${Table} title="In the message field and the list" rows=${PLACES} /></div>`;
}
