// The access token: in memory alone. What renews it is a cookie that no script can read, single use: two tabs that used it at the same time
// would look like a thief, so one tab at a time renews and tells the others.
import { exclusively } from "../lib/lock.js";
import { onTabs, tellTabs } from "../lib/tabs.js";
import { problemOf, Unreachable } from "./problem.js";

const EARLY_MS = 20000; // renewed so long before its end
const ASK_MS = 60; // other tabs have so long to share theirs

let held = null; // {token, until, user_id}
let renewing = null;

export function holdToken(answer) {
  held = { token: answer.access_token, until: Date.now() + answer.expires_in * 1000, user_id: answer.user_id };
  tellTabs("token", held);
}

export function dropToken() {
  held = null;
}

function isFresh() {
  return held && held.until - Math.min(EARLY_MS, 5000 + EARLY_MS / 4) > Date.now();
}

onTabs("token", (shared) => {
  if (!held || (shared.user_id === held.user_id && shared.until > held.until)) held = shared;
});
onTabs("token?", () => {
  if (isFresh()) tellTabs("token", held);
});

// A token that lives. refused: one that the server did not take, so that another is needed.
export async function accessToken(refused) {
  if (isFresh() && held.token !== refused) return held.token;
  renewing ??= renew(refused).finally(() => (renewing = null));
  return renewing;
}

async function renew(refused) {
  if (!held) await askTabs();
  return exclusively("refresh", async () => {
    // Another tab may have been faster.
    if (isFresh() && held.token !== refused) return held.token;
    let response;
    try {
      // keepalive: a page that is left in this moment still gets the next cookie; without it the old one would count as used twice.
      response = await fetch("/api/v1/auth/refresh", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: "{}", credentials: "same-origin", keepalive: true,
      });
    } catch {
      throw new Unreachable();
    }
    if (!response.ok) throw await problemOf(response);
    holdToken(await response.json());
    return held.token;
  });
}

function askTabs() {
  return new Promise((resolve) => {
    const stop = onTabs("token", () => {
      stop();
      resolve();
    });
    setTimeout(() => {
      stop();
      resolve();
    }, ASK_MS);
    tellTabs("token?");
  });
}

export function tokenUser() {
  return held?.user_id;
}
