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

// Removes everything whose name begins with one of these.
export function forget(...beginnings) {
  try {
    for (const name of Object.keys(localStorage)) {
      if (beginnings.some((beginning) => name.startsWith(PREFIX + beginning))) localStorage.removeItem(name);
    }
  } catch {
    // Forbidden.
  }
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
