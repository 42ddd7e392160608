// Who is signed in here, and how that begins and ends.
//
// What must stay true: no token is stored; who signs out leaves nothing of theirs on this device; who is signed out by the server finds their
// drafts again.
import { batch } from "@preact/signals";
import { readMe, signIn, signOutEverywhere, signOutHere, signUp } from "../api/calls.js";
import { onSignedOut } from "../api/http.js";
import { accessToken, dropToken, holdToken, tokenUser } from "../api/token.js";
import { onTabs, tellTabs } from "../lib/tabs.js";
import { forget, store, stored } from "../lib/storage.js";
import { notify } from "./notices.js";
import { chatId, conversation, dialog, helpers, listState, notices, phase, projectFilter, projects, sessions, signedOutBecause, user } from "./store.js";

const EXPIRED = "You have been signed out. Sign in again to go on; what you typed is kept.";

// Called with the person whenever somebody is signed in.
let whenIn = () => {};

export function startAccount(begin) {
  whenIn = begin;
  onSignedOut(() => leave(EXPIRED));
  onTabs("out", () => leave(null));
  onTabs("in", (person) => {
    if (user.value && user.value.user_id !== person.user_id) location.reload();
    else if (phase.value === "out") enter(person);
  });
  const known = stored("user");
  if (known) enter(known, true);
  else phase.value = "out";
}

// Somebody who was here before is shown what this device knows while the server is asked.
async function enter(person, isRemembered = false) {
  batch(() => {
    user.value = person;
    phase.value = "in";
    signedOutBecause.value = null;
  });
  store("user", person);
  whenIn(person);
  if (!isRemembered) return;
  try {
    await accessToken();
    if (tokenUser() !== person.user_id) dropToken();
    learn(await readMe());
  } catch (error) {
    if (error.status === 401) leave(EXPIRED);
  }
}

// What the server says of the person.
export function learn(answer) {
  const { user_id, email, display_name } = answer;
  const isAnother = user.value && user.value.user_id !== user_id;
  store("user", { user_id, email, display_name });
  if (isAnother) location.reload();
  else user.value = { user_id, email, display_name };
}

async function begin(answer) {
  holdToken(answer);
  const { user_id, email, display_name } = answer.user;
  const person = { user_id, email, display_name };
  tellTabs("in", person);
  await enter(person);
}

export const doSignIn = async (fields) => begin(await signIn(fields));
export const doSignUp = async (fields) => begin(await signUp(fields));

function leave(reason) {
  if (phase.value === "out") return;
  // What is being typed right now is kept under the person's name, as long as there is one.
  if (reason) dispatchEvent(new Event("keepdrafts"));
  dropToken();
  conversation.value?.close();
  batch(() => {
    phase.value = "out";
    signedOutBecause.value = reason;
    user.value = null;
    sessions.value = [];
    listState.value = "empty";
    conversation.value = null;
    projects.value = [];
    helpers.value = [];
    projectFilter.value = null;
    dialog.value = null;
    notices.value = [];
  });
  forget("user", "sessions.");
}

// For good: by the person's own wish.
export async function doSignOut({ everywhere = false } = {}) {
  let failed = false;
  try {
    if (everywhere) await signOutEverywhere();
    await signOutHere();
  } catch (error) {
    failed = error.status !== 401;
  }
  endHere();
  if (failed) notify("The server could not be told that you signed out. Close the browser on a shared computer.", { kind: "error" });
}

// After signing out, and after the account was removed.
export function endHere() {
  forget("draft.", "outbox.", "sessions.", "user");
  tellTabs("out");
  leave(null);
  history.replaceState(null, "", "/");
  chatId.value = null;
}
