// Where messages are written. What was typed is kept on this device, chat by chat, until it is sent.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { keepDraft, readDraft } from "../state/drafts.js";
import { conversation, isOnline } from "../state/store.js";
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

// Drafts are kept a moment after the last key, and at once when the page is left.
function useDraft(chat, text) {
  const latest = useRef(null);
  latest.current = () => chat && keepDraft(chat.id, text);
  useEffect(() => {
    const timer = setTimeout(() => latest.current(), 250);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    const keep = () => latest.current();
    addEventListener("pagehide", keep);
    addEventListener("keepdrafts", keep);
    return () => {
      removeEventListener("pagehide", keep);
      removeEventListener("keepdrafts", keep);
      keep();
    };
  }, []);
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
  const [text, setText] = useState(() => (chat ? readDraft(chat.id) : ""));
  const turn = chat?.turn.value;
  const isLong = text.length > LONGEST / 4 && encoder.encode(text).length > LONGEST;
  const isEmpty = !text.trim();
  const hasUnsent = chat?.messages.value.some(({ unsent }) => unsent);
  const canSend = chat && !turn && !isEmpty && !isLong && !hasUnsent && chat.state.value === "ready";
  useDraft(chat, text);
  useLayoutEffect(() => fitHeight(field.current), [text]);
  useLayoutEffect(() => {
    if (!isTouch.matches) field.current?.focus();
  }, []);
  useEffect(() => {
    // A message that was taken back. What was typed meanwhile stays: effects come a moment after what they follow.
    if (!hasUnsent && chat) setText((now) => (now.trim() ? now : readDraft(chat.id)));
  }, [hasUnsent]);
  const send = (event) => {
    event?.preventDefault();
    if (!canSend) return;
    keepDraft(chat.id, "");
    chat.send(text);
    setText("");
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
