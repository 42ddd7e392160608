// What the tabs of this browser tell one another. A tab does not hear itself.
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("parley") : null;
const listeners = new Map();

channel?.addEventListener("message", ({ data }) => {
  for (const listener of [...(listeners.get(data.type) ?? [])]) listener(data.what);
});

export function tellTabs(type, what = null) {
  channel?.postMessage({ type, what });
}

// Returns how to stop listening.
export function onTabs(type, listener) {
  if (!listeners.has(type)) listeners.set(type, new Set());
  listeners.get(type).add(listener);
  return () => listeners.get(type).delete(listener);
}
