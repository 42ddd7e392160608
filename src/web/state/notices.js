// Short notes at the edge of the screen, some with a way back; and what screen readers are told.
import { announcement, notices } from "./store.js";

const SHOWN_MS = 8000;
let next = 1;

export function notify(text, { action = null, run = null, kind = "info" } = {}) {
  const id = next++;
  notices.value = [...notices.value.slice(-2), { id, text, action, run, kind }];
  holdNotice(id, false);
  return id;
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
