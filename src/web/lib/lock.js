// One tab at a time. Over plain http from another machine there is no navigator.locks: then a lease in localStorage has to do.
import { randomId } from "./random.js";
import { store, stored } from "./storage.js";
import { wait } from "./wait.js";

const LEASE_MS = 10000;

export function exclusively(name, work) {
  return navigator.locks ? navigator.locks.request(`parley.${name}`, work) : withLease(`lock.${name}`, work);
}

async function withLease(name, work) {
  const me = randomId();
  for (;;) {
    const held = stored(name);
    if (!held || held.until < Date.now()) {
      store(name, { me, until: Date.now() + LEASE_MS });
      // Who wrote last has it; the others see that after a moment.
      await wait(30);
      if ((stored(name) ?? { me }).me === me) break;
    }
    await wait(80);
  }
  try {
    return await work();
  } finally {
    store(name, null);
  }
}
