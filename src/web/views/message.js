// One message: who said it, what, how it ended, and what can be done with it.
import { Component } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { html } from "../lib/html.js";
import { copyText } from "../lib/clipboard.js";
import { fullTime, messageTime } from "../lib/time.js";
import { announce, notify } from "../state/notices.js";
import { toolsOf } from "../state/tools.js";
import { showVersion } from "../state/versions.js";
import { fitHeight, focusComposer } from "./composer.js";
import { useDraft } from "./draft.js";
import { Icon, IconButton } from "./icon.js";
import { Markdown } from "./markdown.js";

// Drawn again only when it is another one: a chat of thousands costs nothing while an answer is written.
export class Message extends Component {
  shouldComponentUpdate(next) {
    return next.item !== this.props.item || next.isLast !== this.props.isLast || next.isBusy !== this.props.isBusy || next.isEditing !== this.props.isEditing;
  }

  render({ item, ...rest }) {
    return item.role === "user" ? html`<${Question} item=${item} ...${rest} />` : html`<${Answer} item=${item} ...${rest} />`;
  }
}

function Question({ chat, item, isLast, isBusy, isEditing }) {
  const label = item.unsent ? "You, not sent" : "You";
  return html`<article class=${`message question ${item.unsent ? "is-unsent" : ""} ${item.isPending ? "is-pending" : ""}`} aria-label=${label} data-key=${item.key}>
    ${isEditing
      ? html`<${Editor} chat=${chat} item=${item} isBusy=${isBusy} />`
      : html`<div class="bubble">${item.content}</div>`}
    ${item.unsent && html`<${Unsent} chat=${chat} item=${item} isBusy=${isBusy} />`}
    ${!item.unsent && !isEditing && html`<div class=${`tools ${isLast ? "is-last" : ""}`}>
      <${Time} at=${item.created_at} />
      <${CopyButton} text=${item.content} label="Copy message" />
      <${IconButton} icon="pencil" label="Edit message" class="edit" disabled=${isBusy || item.isPending} onClick=${() => (chat.editing.value = item.key)} />
      <${Siblings} chat=${chat} item=${item} isBusy=${isBusy} />
    </div>`}
  </article>`;
}

function Unsent({ chat, item, isBusy }) {
  return html`<div class="unsent" role="group" aria-label="This message was not sent">
    <p><${Icon} name="warning" />${item.unsent.reason}</p>
    <div>
      ${item.unsent.canRetry && html`<button type="button" class="button small primary" disabled=${isBusy} onClick=${() => chat.resend(item)}>Send again</button>`}
      <button type="button" class="button small" onClick=${() => chat.takeBack(item)}>Edit</button>
      <button type="button" class="button small" onClick=${() => chat.discard(item)}>Discard</button>
    </div>
  </div>`;
}

function Editor({ chat, item, isBusy }) {
  const field = useRef(null);
  const [text, setText, drop] = useDraft(chat, item);
  const canSend = !isBusy && text.trim() !== "";
  useLayoutEffect(() => fitHeight(field.current), [text]);
  useLayoutEffect(() => {
    field.current.focus();
    field.current.setSelectionRange(text.length, text.length);
  }, []);
  const leave = () => {
    drop();
    const article = field.current?.closest("article");
    chat.editing.value = null;
    requestAnimationFrame(() => article?.querySelector(".edit")?.focus());
  };
  const submit = () => {
    if (!canSend || chat.isBusy) return;
    drop();
    chat.editing.value = null;
    chat.send(text, item);
    focusComposer();
  };
  const onKeyDown = (event) => {
    if (event.key === "Escape") leave();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="editor">
    <textarea ref=${field} rows="1" aria-label="Edit your message" value=${text} onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${onKeyDown}></textarea>
    <div class="editor-buttons">
      <span class="hint">The version before is kept.</span>
      <button type="button" class="button small" onClick=${leave}>Cancel</button>
      <button type="button" class="button small primary" title="Send (Ctrl+Enter)" disabled=${!canSend} onClick=${submit}>Send</button>
    </div>
  </div>`;
}

const NAMES = { assistant: "Answer", tool: "Tool", system: "System" };

function Answer({ chat, item, isLast, isBusy }) {
  const again = ({ detail }) => {
    chat.regenerate(item);
    if (!detail) focusComposer(); // by a key: the button goes with the answer
  };
  const { live } = item;
  const isWriting = item.status === "streaming";
  return html`<article class=${`message answer role-${item.role} ${isWriting ? "is-writing" : ""}`} aria-label=${NAMES[item.role] ?? "Message"} aria-busy=${isWriting} data-key=${item.key}>
    <${Reasoning} text=${item.reasoning} live=${live} />
    <${Tools} calls=${item.tool_calls} live=${live} />
    <${Markdown} text=${item.content} live=${live?.text} />
    ${isWriting && html`<${Writing} live=${live} />`}
    <${Ending} chat=${chat} item=${item} isLast=${isLast} isBusy=${isBusy} />
    ${!isWriting && html`<div class=${`tools ${isLast ? "is-last" : ""}`}>
      <${Siblings} chat=${chat} item=${item} isBusy=${isBusy} />
      <${CopyButton} text=${item.content} label="Copy answer" />
      ${item.role === "assistant" && item.parent_id && html`<${IconButton} icon="refresh" label="Answer again" disabled=${isBusy} onClick=${again} />`}
      <${Time} at=${item.created_at} />
    </div>`}
  </article>`;
}

// What there is to see before the first word, and what the model says of what it does.
function Writing({ live }) {
  const status = live?.status.value;
  const isSilent = !live?.text.value;
  if (status) return html`<p class="doing"><span class="pulse"></span>${status}</p>`;
  return isSilent ? html`<p class="doing" aria-label="The answer is being written"><span class="pulse"></span></p>` : null;
}

function Reasoning({ text, live }) {
  const isOpen = useSignal(false);
  const shown = live ? live.reasoning.value : text;
  if (!shown) return null;
  const isThinking = live && !live.text.value;
  return html`<details class="reasoning" open=${isOpen.value} onToggle=${(event) => (isOpen.value = event.currentTarget.open)}>
    <summary><${Icon} name="thought" />${isThinking ? "Thinking" : "Reasoning"}<${Icon} name="down" /></summary>
    ${isOpen.value && html`<div class="reasoning-text">${shown}</div>`}
  </details>`;
}

function Tools({ calls, live }) {
  const shown = toolsOf(live ? live.tools.value : calls);
  return shown.map((call) => html`<details class="tool">
    <summary><${Icon} name="tool" /><span>Called <code>${call.name}</code></span><${Icon} name="down" /></summary>
    <pre tabindex="0" role="region" aria-label="Arguments">${call.arguments || "No arguments."}</pre>
  </details>`);
}

const ENDINGS = {
  stopped: "You stopped this answer.",
  failed: "The answer broke off.",
  interrupted: "The answer was interrupted.",
};

function Ending({ chat, item, isLast, isBusy }) {
  const words = ENDINGS[item.status];
  if (!words) return null;
  const canRetry = isLast && item.status !== "stopped" && item.parent_id;
  return html`<div class=${`ending ${item.status}`}>
    ${item.status !== "stopped" && html`<${Icon} name="warning" />`}
    <span>${item.error?.message ?? words}</span>
    ${canRetry && html`<button type="button" class="button small" disabled=${isBusy} onClick=${() => chat.regenerate(item)}>Try again</button>`}
  </div>`;
}

function Siblings({ chat, item, isBusy }) {
  const { sibling_index: index, sibling_count: count } = item;
  if (!(count > 1)) return null;
  return html`<div class="siblings" role="group" aria-label="Versions">
    <${IconButton} icon="left" label="Previous version" disabled=${isBusy} aria-disabled=${index <= 1} onClick=${() => showVersion(chat, item, index - 1)} />
    <span aria-label=${`Version ${index} of ${count}`} role="img">${index}/${count}</span>
    <${IconButton} icon="right" label="Next version" disabled=${isBusy} aria-disabled=${index >= count} onClick=${() => showVersion(chat, item, index + 1)} />
  </div>`;
}

function CopyButton({ text, label }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    if (!(await copyText(text))) return notify("The browser does not allow copying.", { kind: "error" });
    setDone(true);
    announce("Copied.");
    return setTimeout(() => setDone(false), 1600);
  };
  return html`<${IconButton} icon=${isDone ? "check" : "copy"} label=${isDone ? "Copied" : label} onClick=${copy} />`;
}

function Time({ at }) {
  return html`<time datetime=${at} title=${fullTime(at)}>${messageTime(at)}</time>`;
}
