// What stays on this device: JSON under "parley." in localStorage. Never a token. A browser that keeps nothing (private windows, a full
// disk) loses comfort, not function: reading gives null, writing does nothing.
const PREFIX = "parley.";

export function stored(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function store(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Full or forbidden.
  }
}

// The names that begin so.
export function storedNames(beginning) {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX + beginning)).map((name) => name.slice(PREFIX.length));
  } catch {
    return [];
  }
}

// Removes everything whose name begins with one of these.
export function forget(...beginnings) {
  for (const name of beginnings.flatMap(storedNames)) store(name, null);
}

// An id of this tab: it survives a reload and ends with the tab.
export function tabId(make) {
  try {
    const known = sessionStorage.getItem(PREFIX + "tab") ?? make();
    sessionStorage.setItem(PREFIX + "tab", known);
    return known;
  } catch {
    return make();
  }
}
