// One chat: its messages as far as they were read, and the turn that runs in it.
//
// What must stay true: what the server has is what is shown (after a turn the end of the chat is read again); a message stands in the list
// under one key from the moment it is sent, so that nothing on the screen is drawn anew; a text that the server did not take stays
// with the ways to send it again, change it or let it go.
import { batch, signal } from "@preact/signals";
import * as api from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { randomId } from "../lib/random.js";
import { tellTabs } from "../lib/tabs.js";
import { followTurn } from "../stream/turn.js";
import { dropSend, keepDraft, keepSend, openSend } from "./drafts.js";
import { announce, notify } from "./notices.js";
import { go } from "./route.js";
import { changeSession, learnSession, markWriting, refreshSession } from "./sessions.js";
import { chosenHelper, conversation, helpers, projectFilter, sessions } from "./store.js";
import { addToolPiece } from "./tools.js";

const PAGE = 50;
const READ_ALOUD = 4000; // characters of an answer that screen readers are told at once

// What grows while an answer is written.
const newLive = () => ({ text: signal(""), reasoning: signal(""), status: signal(""), tools: signal([]) });

const isSame = (a, b) => a.content === b.content && a.status === b.status && a.sibling_index === b.sibling_index && a.sibling_count === b.sibling_count;

export class Conversation {
  constructor(id) {
    this.id = id;
    this.session = signal(sessions.value.find(({ session_id }) => session_id === id) ?? null);
    this.state = signal(id ? "loading" : "ready"); // "loading", "ready", "missing", "failed"
    this.messages = signal([]);
    this.hasOlder = signal(false);
    this.turn = signal(null); // {isStopping, isAccepted}: an answer is being written
    this.isLineUp = signal(true);
    this.editing = signal(null); // the id of a message that is being edited
    this.scrollWish = signal(null); // {to: "end" | "stay"}: what the list shall do with its next change
    this.line = null;
    this.run = null; // what is needed to go on watching
  }

  // ---- reading ----

  async open() {
    try {
      const [page] = await Promise.all([api.listMessages(this.id, { limit: PAGE }), this.session.value ? null : this.readSession()]);
      this.reconcile(page);
      this.state.value = "ready";
      this.goOn();
    } catch (error) {
      if (this.state.value === "loading") this.state.value = error.status === 404 || error.status === 400 ? "missing" : "failed";
    }
  }

  async readSession() {
    this.session.value = await refreshSession(this.id);
  }

  // Joins a turn that runs on the server, or settles a send of before a reload.
  goOn() {
    if (this.turn.value) return;
    const last = this.messages.value.at(-1);
    if (last?.status === "streaming") this.join(last);
    else this.settleSend();
  }

  settleSend() {
    const send = openSend(this.id);
    if (!send || this.turn.value || this.messages.value.some(({ unsent }) => unsent)) return;
    if (send.isStale) this.showUnsent(send, "This message was not sent.");
    else this.begin(send);
  }

  // Reads the end of the chat again: another tab or device may have gone on with it.
  async sync() {
    if (!this.id || this.turn.value || this.state.value === "loading") return;
    try {
      this.reconcile(await api.listMessages(this.id, { limit: Math.min(200, Math.max(PAGE, this.messages.value.length)) }));
      this.state.value = "ready";
      this.goOn();
    } catch (error) {
      if (error.status === 404) this.state.value = "missing";
    }
  }

  async readOlder() {
    if (this.isReadingOlder || !this.hasOlder.value) return;
    this.isReadingOlder = true;
    try {
      const page = await api.listMessages(this.id, { limit: PAGE, before: this.messages.value[0].seq });
      const known = new Set(this.messages.value.map(({ id }) => id));
      const items = page.items.map((item) => this.itemOf(item)).filter(({ id }) => !known.has(id));
      batch(() => {
        this.messages.value = [...items, ...this.messages.value];
        this.hasOlder.value = page.older;
      });
    } catch (error) {
      notify(`Older messages could not be read. ${sentenceOf(error)}`, { kind: "error" });
    } finally {
      this.isReadingOlder = false;
    }
  }

  itemOf(message, known = null) {
    const item = { ...message, id: message.message_id, key: known?.key ?? message.key ?? message.message_id };
    const reasoning = message.metadata?.reasoning ?? known?.reasoning;
    if (typeof reasoning === "string") item.reasoning = reasoning;
    if (known?.error) item.error = known.error;
    return item;
  }

  // What was just read stands for the end of the chat; older messages stay when it follows them.
  reconcile({ items, older }) {
    const known = new Map(this.messages.value.map((item) => [item.id, item]));
    const fresh = items.map((message) => {
      const before = known.get(message.message_id);
      if (before && before.seq === message.seq && isSame(before, message) && !before.live) return before;
      return this.itemOf(message, before);
    });
    const at = items.length ? this.messages.value.findIndex(({ id }) => id === items[0].message_id) : -1;
    const kept = at > 0 ? this.messages.value.slice(0, at) : [];
    const unsent = this.messages.value.filter((item) => item.unsent);
    batch(() => {
      this.messages.value = [...kept, ...fresh, ...unsent];
      if (!kept.length) this.hasOlder.value = older;
    });
  }

  // ---- sending ----

  // edited: the message that this text takes the place of.
  send(text, edited = null) {
    const body = { text };
    if (this.id) body.session_id = this.id;
    else {
      if (chosenHelper.value) body.helper = chosenHelper.value;
      if (projectFilter.value) body.project_id = projectFilter.value;
    }
    if (edited) body.parent_message_id = edited.parent_id;
    this.begin(keepSend(this.id, body));
  }

  // The path that a send goes on from.
  pathBefore({ parent_message_id: parent }) {
    const path = this.messages.value.filter((item) => !item.unsent);
    if (parent === undefined) return path;
    const at = parent === null ? -1 : path.findIndex(({ id }) => id === parent);
    if (parent !== null && at < 0) return path.slice(0, path.findIndex((item) => item.parent_id === parent));
    return path.slice(0, at + 1);
  }

  begin(send) {
    const question = { key: `q${send.key}`, role: "user", content: send.body.text, status: "complete", isPending: true, created_at: new Date().toISOString() };
    const answer = { key: `a${send.key}`, role: "assistant", content: "", status: "streaming", live: newLive(), created_at: question.created_at };
    const before = this.messages.value;
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...this.greetingOf(send.body), ...this.pathBefore(send.body), question, answer];
    const known = new Set(sessions.value.map(({ session_id }) => session_id));
    this.follow({
      answer, question: question.key, after: 0, text: send.body.text, from: this.id,
      post: (signal) => api.openChat(send.body, send.key, signal),
      find: () => this.findNew(send.body.text, known),
      refused: (error) => {
        this.messages.value = before.filter((item) => !item.unsent);
        this.showUnsent(send, sentenceOf(error), error);
        if (error.code === "turn_in_progress") this.sync();
      },
    });
  }

  // A helper's greeting is the first message of a new chat, from the server too.
  greetingOf({ helper: name }) {
    const text = this.id ? null : helpers.value.find((helper) => helper.name === name)?.greeting;
    return text ? [{ key: "greeting", role: "assistant", content: text, status: "complete", created_at: new Date().toISOString() }] : [];
  }

  regenerate(message) {
    if (this.turn.value) return;
    const key = randomId();
    const before = this.messages.value;
    const at = before.findIndex(({ id }) => id === message.id);
    const answer = { key: `a${key}`, role: "assistant", content: "", status: "streaming", live: newLive(), parent_id: message.parent_id, created_at: new Date().toISOString() };
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...before.slice(0, at), answer];
    this.follow({
      answer, after: 0, from: this.id,
      post: (signal) => api.openRegenerate(this.id, message.id, key, signal),
      refused: (error) => {
        this.messages.value = before;
        notify(sentenceOf(error), { kind: "error" });
        if (error.code === "turn_in_progress") this.sync();
      },
    });
  }

  join(message) {
    const answer = { ...message, live: newLive() };
    this.replace(message.key, answer);
    this.follow({ answer, after: 0, isAccepted: true, from: this.id, post: null, refused: () => this.readEnd() });
  }

  // Where streams do not pass, a new chat tells its id only by being there.
  async findNew(text, known) {
    const { items } = await api.listSessions({ limit: 5 });
    for (const { session_id } of items.filter((item) => !known.has(item.session_id))) {
      const page = await api.listMessages(session_id, { limit: 2 });
      if (page.items[0]?.content === text) return session_id;
    }
    return null;
  }

  // ---- following ----

  async follow(run) {
    const line = new AbortController();
    this.line = line;
    this.run = run;
    const past = new Set(this.messages.value.map(({ turn_id }) => turn_id));
    past.delete(run.answer.turn_id);
    batch(() => {
      this.turn.value = { isAccepted: run.isAccepted === true, isStopping: run.isStopping === true };
      this.isLineUp.value = true;
    });
    try {
      const end = await followTurn({
        post: run.isAccepted ? null : run.post,
        session: () => this.id,
        find: run.find,
        isOurs: (turn) => !past.has(turn),
        after: run.after,
        onEvent: (event) => this.take(run, event),
        onLine: (up) => (this.isLineUp.value = up),
      }, line.signal);
      if (end === "left") return;
      this.over();
      await this.readEnd();
    } catch (error) {
      if (this.run !== run) return;
      this.over();
      run.refused(error);
    }
  }

  over() {
    batch(() => {
      this.turn.value = null;
      this.isLineUp.value = true;
    });
    this.run = null;
    if (this.id) markWriting(this.id, false);
  }

  // The end of the chat and its row in the list, as the server has them now.
  async readEnd() {
    if (!this.id) return;
    try {
      const [page] = await Promise.all([api.listMessages(this.id, { limit: PAGE }), this.readSession()]);
      if (!this.turn.value) this.reconcile(page);
    } catch {
      // It is read again when the page looks for news.
    }
  }

  take(run, event) {
    run.after = event.id;
    const { live } = run.answer;
    if (event.type === "token") live.text.value += event.content;
    else if (event.type === "reasoning") live.reasoning.value += event.content;
    else if (event.type === "tool_call") live.tools.value = addToolPiece(live.tools.value, event);
    else if (event.type === "status") live.status.value = event.message ?? event.content ?? event.status ?? "";
    else if (event.type === "session") this.accepted(run, event);
    else if (event.type === "done") this.finished(run, event.status ?? "complete", null, event);
    else if (event.type === "error") this.finished(run, event.code === "interrupted" ? "interrupted" : "failed", event.message, event);
  }

  // The server has the message: from here it cannot be lost.
  accepted(run, event) {
    const isNew = this.id === null;
    this.id = event.session_id;
    if (run.question) dropSend(run.from);
    run.isAccepted = true;
    run.post = null;
    run.answer = this.replace(run.answer.key, { id: event.message_id, turn_id: event.turn_id, parent_id: event.user_message_id }) ?? run.answer;
    if (run.question) this.replace(run.question, { id: event.user_message_id, turn_id: event.turn_id, isPending: false });
    this.note(run, event, isNew);
    markWriting(this.id, true);
    if (this.turn.value?.isStopping) this.stop();
    else this.turn.value = { isAccepted: true, isStopping: false };
    if (run.question) announce("Message sent. The answer is being written.");
  }

  // The chat moves to the top of the list; a new one gets its address.
  note(run, event, isNew) {
    const now = new Date().toISOString();
    if (isNew) {
      const session = {
        session_id: event.session_id, title: event.title, preview: (run.text ?? "").slice(0, 60), message_count: 2, is_active: true, helper: chosenHelper.value,
        project_id: projectFilter.value, created_at: now, updated_at: now, last_message_at: now,
      };
      this.session.value = session;
      learnSession(session);
      adopt(this);
      if (conversation.value === this) go(this.id, { replace: true });
    } else if (run.question) {
      changeSession(this.id, { last_message_at: now, preview: run.text.slice(0, 60) });
    }
  }

  finished(run, status, message, event) {
    const { live } = run.answer;
    const reasoning = live.reasoning.value || undefined;
    const calls = live.tools.value.length ? live.tools.value : null;
    const error = message ? { code: event.code, message, retryAfter: event.retry_after } : null;
    this.replace(run.answer.key, { content: live.text.value, status, reasoning, tool_calls: event.tool_calls ?? calls, error, live: undefined, id: event.message_id ?? run.answer.id });
    tellTabs("changed", this.id);
    if (status === "complete") announce(`Answer: ${live.text.value.slice(0, READ_ALOUD)}`);
    else announce(status === "stopped" ? "The answer was stopped." : `The answer broke off. ${message ?? ""}`);
  }

  replace(key, change) {
    let replaced = null;
    this.messages.value = this.messages.value.map((item) => (item.key === key ? (replaced = { ...item, ...change }) : item));
    return replaced;
  }

  async stop() {
    const { turn } = this;
    if (!turn.value) return;
    turn.value = { ...turn.value, isStopping: true };
    if (this.run) this.run.isStopping = true;
    if (!turn.value.isAccepted) return;
    try {
      await api.stopTurn(this.id);
    } catch (error) {
      if (turn.value) turn.value = { ...turn.value, isStopping: false };
      notify(`The answer was not stopped. ${sentenceOf(error)}`, { kind: "error" });
    }
  }

  // ---- what was not sent ----

  showUnsent(send, reason, error = null) {
    // The same text again cannot succeed where the text or the chat is what is wrong.
    const canRetry = !error || error.code === "unreachable" || error.status >= 429 || [401, 408, 409].includes(error.status);
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...this.messages.value, {
      key: `q${send.key}`, role: "user", content: send.body.text, status: "complete", created_at: new Date(send.at).toISOString(), unsent: { send, reason, canRetry },
    }];
    announce(`The message was not sent. ${reason}`);
  }

  resend({ unsent }) {
    if (this.turn.value) return;
    this.begin(unsent.send.isStale ? keepSend(this.id, unsent.send.body) : unsent.send);
  }

  discard(item) {
    dropSend(this.id);
    this.messages.value = this.messages.value.filter(({ key }) => key !== item.key);
  }

  // Back into the field where it was typed.
  takeBack(item) {
    this.discard(item);
    keepDraft(this.id, item.content);
  }

  // ---- branches ----

  async showSibling(message, index) {
    if (this.turn.value || this.isSwitching) return;
    this.isSwitching = true;
    try {
      const sibling = await this.findSibling(message, index);
      if (!sibling) return;
      await api.showBranch(this.id, sibling);
      const page = await api.listMessages(this.id, { limit: 200 });
      // In the same place of the screen: the focus stays on the button.
      for (const item of page.items) if (item.message_id === sibling) item.key = message.key;
      this.scrollWish.value = { to: "stay" };
      this.reconcile(page);
      tellTabs("changed", this.id);
      announce(`Version ${index} of ${message.sibling_count}.`);
    } catch (error) {
      notify(sentenceOf(error), { kind: "error" });
    } finally {
      this.isSwitching = false;
    }
  }

  async findSibling({ parent_id, sibling_count }, index) {
    let after = this.messages.value.find(({ id }) => id === parent_id)?.seq ?? 0;
    for (let seen = 0; seen < sibling_count;) {
      const { items, more } = await api.listBranches(this.id, after);
      for (const item of items.filter((each) => each.parent_id === parent_id)) {
        if (item.sibling_index === index) return item.message_id;
        seen++;
      }
      if (!more) break;
      after = items.at(-1).seq;
    }
    return null;
  }

  // ---- coming and going ----

  // Nobody looks: the turn goes on without us, and is joined again from where we were.
  pause() {
    if (this.run?.isAccepted) this.line.abort();
  }

  resume() {
    if (this.run?.isAccepted && this.line.signal.aborted) this.follow(this.run);
    else if (!this.turn.value) this.sync();
  }

  close() {
    this.line?.abort();
  }
}

// ---- the open one ----

const RECENT = 6;
const recent = new Map(); // by id; the oldest first

function adopt(chat) {
  recent.delete(chat.id);
  recent.set(chat.id, chat);
  for (const [id, old] of recent) {
    if (recent.size <= RECENT) break;
    if (old !== conversation.value) {
      old.close();
      recent.delete(id);
    }
  }
}

export function openConversation(id) {
  const before = conversation.value;
  if (before && before.id === id && (id || !before.turn.value)) return;
  before?.pause();
  const known = id ? recent.get(id) : null;
  const chat = known ?? new Conversation(id);
  conversation.value = chat;
  if (!id) {
    chat.settleSend();
    return;
  }
  adopt(chat);
  if (!known) chat.open();
  else {
    chat.scrollWish.value = { to: "end" };
    chat.resume();
  }
}

export function forgetConversations() {
  for (const chat of recent.values()) chat.close();
  recent.clear();
}
