// Short notes at the edge of the screen.
import { html } from "../lib/html.js";
import { dismissNotice, holdNotice } from "../state/notices.js";
import { notices } from "../state/store.js";
import { IconButton } from "./icon.js";

export function Notices() {
  return html`<div class="notices" role="region" aria-label="Notes" aria-live="polite">
    ${notices.value.map((notice) => html`<${Notice} key=${notice.id} notice=${notice} />`)}
  </div>`;
}

function Notice({ notice: { id, text, action, run, kind } }) {
  const act = () => {
    dismissNotice(id);
    run();
  };
  const hold = () => holdNotice(id, true);
  const release = () => holdNotice(id, false);
  return html`<div class=${`notice ${kind}`} onMouseEnter=${hold} onMouseLeave=${release} onFocusIn=${hold} onFocusOut=${release}>
    <span>${text}</span>
    ${action && html`<button type="button" class="notice-action" onClick=${act}>${action}</button>`}
    <${IconButton} icon="close" label="Dismiss" onClick=${() => dismissNotice(id)} />
  </div>`;
}
