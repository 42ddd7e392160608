// Where messages are written. What was typed is kept on this device, chat by chat, until it is sent.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { conversation, isOnline } from "../state/store.js";
import { useDraft } from "./draft.js";
import { Icon } from "./icon.js";

const LONGEST = 262144; // bytes that the server takes
const encoder = new TextEncoder();
const isTouch = matchMedia("(pointer: coarse)");

// As high as its text, up to what the style allows; newer browsers do that by themselves (field-sizing).
const fitsItself = CSS.supports("field-sizing", "content");
export function fitHeight(field) {
  if (!field || fitsItself) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

export function focusComposer() {
  document.querySelector(".composer textarea")?.focus();
}

export function Composer() {
  const chat = conversation.value;
  return html`<${Field} key=${chatKey(chat)} chat=${chat} />`;
}

// A new chat that gets its id stays in the same field.
const keys = new WeakMap();
let next = 1;
function chatKey(chat) {
  if (!chat) return 0;
  if (!keys.has(chat)) keys.set(chat, next++);
  return keys.get(chat);
}

function Field({ chat }) {
  const field = useRef(null);
  const [text, setText, drop] = useDraft(chat);
  const turn = chat?.turn.value;
  const isLong = text.length > LONGEST / 4 && encoder.encode(text).length > LONGEST;
  const isEmpty = !text.trim();
  const hasUnsent = chat && chat.unsent.length > 0;
  const returned = chat?.returned.value;
  const canSend = chat && !chat.isBusy && !isEmpty && !isLong && !hasUnsent && chat.state.value === "ready";
  useLayoutEffect(() => fitHeight(field.current), [text]);
  useLayoutEffect(() => {
    if (!isTouch.matches) field.current?.focus();
  }, []);
  useEffect(() => {
    // A message that was taken back, before what was typed meanwhile.
    if (!returned) return;
    chat.returned.value = null;
    setText((now) => (now.trim() ? `${returned}\n\n${now}` : returned));
    field.current.focus();
  }, [returned]);
  const send = (event) => {
    event?.preventDefault();
    if (!canSend) return;
    drop();
    chat.send(text);
    field.current.focus();
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && !isTouch.matches) send(event);
    else if (event.key === "ArrowUp" && text === "" && chat && !turn) editLast(chat, event);
  };
  return html`<form class="composer" onSubmit=${send}>
    ${isLong && html`<p class="composer-note" role="alert">This is longer than a message may be (${LONGEST / 1024} KB). Send it in parts.</p>`}
    ${hasUnsent && !isEmpty && html`<p class="composer-note">Send, edit or discard the message above first.</p>`}
    ${!isOnline.value && html`<p class="composer-note"><${Icon} name="cloud" />You are offline. What you write is kept here.</p>`}
    <div class="composer-box">
      <textarea ref=${field} rows="1" aria-label="Message" placeholder="Write a message" enterkeyhint=${isTouch.matches ? "enter" : "send"} value=${text}
        onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${onKeyDown}></textarea>
      ${turn
        ? html`<button type="button" class="round stop" aria-label=${turn.isStopping ? "Stopping" : "Stop the answer"} title="Stop the answer (Esc)" disabled=${turn.isStopping} onClick=${() => chat.stop()}>
            <${Icon} name="stop" /></button>`
        : html`<button type="submit" class="round" aria-label="Send" title="Send (Enter)" disabled=${!canSend}><${Icon} name="send" /></button>`}
    </div>
  </form>`;
}

function editLast(chat, event) {
  const last = chat.messages.value.findLast((item) => item.role === "user" && !item.unsent && !item.isPending);
  if (!last) return;
  event.preventDefault();
  chat.editing.value = last.key;
}
