// Times as people read them, in the browser's language and zone; the words around them are English.
const DAY = 86400000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const month = new Intl.DateTimeFormat("en", { month: "long" });
const monthAndYear = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });

function midnight(now, daysBefore) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysBefore).getTime();
}

// The heading that a session of that time stands under.
export function groupOf(iso, now = new Date()) {
  const at = new Date(iso);
  const time = at.getTime();
  if (time >= midnight(now, 0)) return "Today";
  if (time >= midnight(now, 1)) return "Yesterday";
  if (time >= midnight(now, 7)) return "Previous 7 days";
  if (time >= midnight(now, 30)) return "Previous 30 days";
  return (at.getFullYear() === now.getFullYear() ? month : monthAndYear).format(at);
}

// Short, for a list: the hour of today, the day of this year.
export function shortTime(iso, now = new Date()) {
  const at = new Date(iso);
  if (at.getTime() >= midnight(now, 0)) return clock.format(at);
  return (at.getFullYear() === now.getFullYear() || now - at < 180 * DAY ? dayOfYear : dayAndYear).format(at);
}

export function messageTime(iso, now = new Date()) {
  const at = new Date(iso);
  return at.getTime() >= midnight(now, 0) ? clock.format(at) : `${shortTime(iso, now)}, ${clock.format(at)}`;
}

export function fullTime(iso) {
  return full.format(new Date(iso));
}

// For the greeting of an empty chat.
export function partOfDay(now = new Date()) {
  const hour = now.getHours();
  if (hour < 5) return "night";
  return hour < 12 ? "morning" : hour < 18 ? "afternoon" : "evening";
}
