// The rows of the list of chats. Only those in sight exist as elements: ten thousand chats cost as much as twenty.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { groupOf, shortTime } from "../lib/time.js";
import { addressOf, go } from "../state/route.js";
import { moveChat, readMore, removeChat, rename } from "../state/sessions.js";
import { chatId, listNext, projectFilter, projects, sessions, writing } from "../state/store.js";
import { Menu } from "./menu.js";

const ROW = 54; // pixels, as in the style
const HEAD = 34;
const AROUND = 8; // rows kept above and below

// Where everything stands: headings and rows, each with its top.
function arrange(list) {
  const now = new Date();
  const items = [];
  let top = 0;
  let group = null;
  for (const [index, session] of list.entries()) {
    const name = groupOf(session.last_message_at, now);
    if (name !== group) {
      items.push({ heading: name, top });
      top += HEAD;
      group = name;
    }
    items.push({ session, index, top });
    top += ROW;
  }
  return { items, height: top };
}

// The first item that ends below a line.
function firstBelow(items, line) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].top + ROW < line) low = middle + 1;
    else high = middle;
  }
  return low;
}

// For the shortcut that renames the open chat.
export const renaming = { start: () => {} };

export function ChatList() {
  const scroller = useRef(null);
  const view = useSignal({ top: 0, height: 900 });
  const edited = useSignal(null);
  const focused = useSignal(null); // the row that the Tab key reaches
  const plan = useComputed(() => arrange(sessions.value));
  renaming.start = (id) => (edited.value = id);

  const look = () => {
    if (!scroller.current) return;
    const { scrollTop, clientHeight } = scroller.current;
    view.value = { top: scrollTop, height: clientHeight };
    if (listNext.value && scrollTop + clientHeight * 3 > plan.value.height) readMore();
  };
  useEffect(() => {
    const watcher = new ResizeObserver(look);
    watcher.observe(scroller.current);
    return () => watcher.disconnect();
  }, []);
  useEffect(look, [sessions.value]);
  useLayoutEffect(() => {
    scroller.current.scrollTop = 0;
  }, [projectFilter.value]);

  const { items, height } = plan.value;
  const from = Math.max(0, firstBelow(items, view.value.top) - AROUND);
  const to = Math.min(items.length, firstBelow(items, view.value.top + view.value.height) + AROUND);
  const shown = items.slice(from, to);
  const reach = focused.value ?? chatId.value ?? sessions.value[0]?.session_id;
  const hasReach = shown.some(({ session }) => session?.session_id === reach);

  const focusRow = (index) => {
    const item = items.find((each) => each.index === index);
    if (!item) return;
    focused.value = item.session.session_id;
    const { current } = scroller;
    if (item.top < current.scrollTop + HEAD) current.scrollTop = item.top - HEAD;
    else if (item.top + ROW > current.scrollTop + current.clientHeight) current.scrollTop = item.top + ROW - current.clientHeight;
    look();
    requestAnimationFrame(() => current.querySelector(`[data-id="${item.session.session_id}"] a`)?.focus());
  };

  return html`<nav class="chat-list" ref=${scroller} onScroll=${look} aria-label="Chats">
    <div class="chat-list-inner" style=${{ height: `${height}px` }}>
      ${shown.map((item) => item.session
        ? html`<${Row} key=${item.session.session_id} session=${item.session} top=${item.top} index=${item.index} count=${sessions.value.length} edited=${edited}
            isReached=${hasReach ? item.session.session_id === reach : item === shown.find(({ session }) => session)} focusRow=${focusRow} />`
        : html`<div key=${item.heading} class="chat-heading" style=${{ transform: `translateY(${item.top}px)` }}><h2>${item.heading}</h2></div>`)}
    </div>
  </nav>`;
}

function menuOf(session, edited) {
  const id = session.session_id;
  const items = [{ label: "Rename", icon: "pencil", run: () => (edited.value = id) }];
  if (projects.value.length) {
    items.push("line", { heading: "Project" }, { label: "No project", isChosen: !session.project_id, run: () => session.project_id && moveChat(id, null) });
    for (const { project_id, name } of projects.value) {
      items.push({ label: name, icon: "folder", isChosen: session.project_id === project_id, run: () => moveChat(id, project_id) });
    }
    items.push("line");
  }
  items.push({ label: "Delete", icon: "trash", isDanger: true, run: () => removeChat(id) });
  return items;
}

function Row({ session, top, index, count, edited, isReached, focusRow }) {
  const id = session.session_id;
  const isOpen = chatId.value === id;
  const title = session.title || "New chat";
  const isEdited = edited.value === id;
  const link = useRef(null);
  const isOwed = useRef(false); // the focus, after renaming
  useLayoutEffect(() => {
    if (!isEdited && isOwed.current) link.current.focus();
    isOwed.current = false;
  }, [isEdited]);
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(id);
  };
  const removeFocused = () => {
    focusRow(index + 1 < count ? index + 1 : index - 1);
    removeChat(id);
  };
  const onKeyDown = (event) => {
    if (event.key === "ArrowDown") focusRow(index + 1);
    else if (event.key === "ArrowUp") focusRow(index - 1);
    else if (event.key === "Home") focusRow(0);
    else if (event.key === "End") focusRow(count - 1);
    else if (event.key === "F2") edited.value = id;
    else if (event.key === "Delete") {
      // Once a press: a key that is held would take chat after chat.
      if (!event.repeat) removeFocused();
    } else return;
    event.preventDefault();
  };
  return html`<div class=${`chat-row ${isOpen ? "is-open" : ""}`} data-id=${id}
    style=${{ transform: `translateY(${top}px)` }}>
    ${isEdited
      ? html`<${RenameField} session=${session} edited=${edited} isOwed=${isOwed} />`
      : html`<a ref=${link} href=${addressOf(id)} tabindex=${isReached ? 0 : -1} aria-current=${isOpen ? "page" : null} title=${title} onClick=${open} onKeyDown=${onKeyDown}
          onDblClick=${() => (edited.value = id)}>
          <span class="chat-title">${writing.value.has(id) && html`<span class="pulse" role="img" aria-label="Being answered"></span>`}${title}</span>
          <time datetime=${session.last_message_at}>${shortTime(session.last_message_at)}</time>
          <span class="chat-preview">${session.preview || "No messages yet"}</span>
        </a>
        <${Menu} label=${`Options for ${title}`} items=${menuOf(session, edited)} tabindex=${isReached ? 0 : -1} />`}
  </div>`;
}

function RenameField({ session, edited, isOwed }) {
  const field = useRef(null);
  const isDone = useRef(false);
  useLayoutEffect(() => {
    field.current.focus();
    field.current.select();
  }, []);
  const end = (keep) => {
    if (isDone.current) return;
    isDone.current = true;
    isOwed.current = document.activeElement === field.current;
    const title = field.current.value;
    edited.value = null;
    if (keep) rename(session.session_id, title);
  };
  const onKeyDown = (event) => {
    if (event.key === "Enter") end(true);
    else if (event.key === "Escape") end(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<input class="rename" ref=${field} aria-label="Name of the chat" maxlength="200" defaultValue=${session.title ?? ""} onKeyDown=${onKeyDown} onBlur=${() => end(true)} />`;
}
