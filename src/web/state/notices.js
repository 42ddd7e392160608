// Short notes at the edge of the screen, some with a way back; and what screen readers are told.
import { announcement, notices } from "./store.js";

const SHOWN_MS = 8000;
const MOST = 3; // at a time; those with a way back do not give way to others
let next = 1;

export function notify(text, { action = null, run = null, kind = "info" } = {}) {
  show({ id: next++, text, action, run, kind });
}

// What can be taken back. Several of one name stand in one note: words(count) says what, and all of them are taken back.
export function notifyUndo(name, words, undo) {
  const before = notices.value.find((notice) => notice.name === name);
  const undos = [...(before?.undos ?? []), undo];
  const run = async () => {
    for (const each of undos) await each();
  };
  show({ id: before?.id ?? next++, text: words(undos.length), action: "Undo", run, kind: "info", name, undos });
}

function show(notice) {
  const others = notices.value.filter(({ id }) => id !== notice.id);
  notices.value = [...others.filter(({ action }, at) => action || at > others.length - MOST), notice];
  holdNotice(notice.id, false);
}

const timers = new Map();

// A note that is looked at stays.
export function holdNotice(id, held) {
  clearTimeout(timers.get(id));
  if (!held) timers.set(id, setTimeout(() => dismissNotice(id), SHOWN_MS));
}

export function dismissNotice(id) {
  clearTimeout(timers.get(id));
  timers.delete(id);
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function announce(text) {
  // The same words twice are not read twice: a no-break space makes them others.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}
