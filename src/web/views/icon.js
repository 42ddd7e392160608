// Line icons on a grid of 24.
import { html } from "../lib/html.js";

const PATHS = {
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  compose: "M11 5H6a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-5M18.4 3.6a2 2 0 0 1 2.8 2.8L13 14.6l-3.6.8.8-3.6z",
  trash: "M4 7h16M10 11v6M14 11v6M6 7l1 12a1.5 1.5 0 0 0 1.5 1.4h7a1.5 1.5 0 0 0 1.5-1.4L18 7M9 7V4.5h6V7",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  panel: "M5.5 4h13A2.5 2.5 0 0 1 21 6.5v11a2.5 2.5 0 0 1-2.5 2.5h-13A2.5 2.5 0 0 1 3 17.5v-11A2.5 2.5 0 0 1 5.5 4zM9.5 4v16",
  menu: "M4 7h16M4 12h16M4 17h10",
  send: "M12 19V5.5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  copy: "M9.5 9h8A1.5 1.5 0 0 1 19 10.5v8a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 8 18.5v-8A1.5 1.5 0 0 1 9.5 9zM5 15.5A1.5 1.5 0 0 1 4 14V5.5A1.5 1.5 0 0 1 5.5 4H14a1.5 1.5 0 0 1 1.5 1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  refresh: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.3M20 4.5v4.8h-4.8",
  left: "M14 7l-5 5 5 5",
  right: "M10 7l5 5-5 5",
  down: "M7 10l5 5 5-5",
  arrowDown: "M12 5v13.5M6 13l6 6 6-6",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  folder: "M3.5 8V6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5z",
  gear: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4",
  out: "M14 5H6.5A1.5 1.5 0 0 0 5 6.5v11A1.5 1.5 0 0 0 6.5 19H14M10.5 12H20M16.5 8.5L20 12l-3.5 3.5",
  keyboard: "M4.5 6.5h15A1.5 1.5 0 0 1 21 8v8a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5zM7 10h.01M10.3 10h.01M13.7 10h.01M17 10h.01M8 14h8",
  tool: "M14.5 6.5a4 4 0 0 0-5.2 5.2L4 17l3 3 5.3-5.3a4 4 0 0 0 5.2-5.2L15 12l-3-3z",
  thought: "M12 4a6 6 0 0 0-3.5 10.9c.6.5 1 1.2 1 2V18h5v-1.1c0-.8.4-1.5 1-2A6 6 0 0 0 12 4zM10 21h4",
  warning: "M12 8.5v4.5M12 16.5h.01M10.6 4.8L3.5 17.2A1.6 1.6 0 0 0 4.9 19.6h14.2a1.6 1.6 0 0 0 1.4-2.4L13.4 4.8a1.6 1.6 0 0 0-2.8 0z",
  cloud: "M4 4l16 16M9 6.2A6 6 0 0 1 17.5 10.5 4 4 0 0 1 20 17M15.5 18.5H7a4.5 4.5 0 0 1-1-8.9",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

// A button that is an icon and has a name.
export function IconButton({ icon, label, class: extra = "", ...rest }) {
  return html`<button type="button" class=${`icon-button ${extra}`} aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

export function Mark() {
  return html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <path class="mark-back" d="M13 5h10a6 6 0 0 1 6 6v5a6 6 0 0 1-6 6v4.5l-5-4.5" />
    <path class="mark-front" d="M9 9h8a6 6 0 0 1 6 6v2a6 6 0 0 1-6 6h-4l-5 4.5V23a6 6 0 0 1-5-6v-2a6 6 0 0 1 6-6z" />
  </svg>`;
}
