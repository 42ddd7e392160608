// One chat: its messages as far as they were read, and the turn that runs in it.
//
// What must stay true: what the server has is what is shown (after a turn the end of the chat is read again), but what was asked for before a turn
// began says nothing of it; a message stands in the list under one key from the moment it is sent, so that nothing on the screen is drawn anew; a
// text that the server did not take stays at the end, with the ways to send it again, change it or let it go.
import { batch, signal } from "@preact/signals";
import * as api from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { randomId } from "../lib/random.js";
import { tellTabs } from "../lib/tabs.js";
import { followTurn } from "../stream/turn.js";
import { keepDraft, readDraft } from "./drafts.js";
import { announce, notify } from "./notices.js";
import { dropSend, failSend, isStale, keepSend, openSends } from "./outbox.js";
import { changeSession, learnSession, markWriting, refreshSession, restore } from "./sessions.js";
import { chosenHelper, helpers, projectFilter, sessions } from "./store.js";
import { addToolPiece } from "./tools.js";

const PAGE = 50;
const READ_ALOUD = 4000; // characters of an answer that screen readers are told at once

// What grows while an answer is written.
const newLive = () => ({ text: signal(""), reasoning: signal(""), status: signal(""), tools: signal([]) });

const isSame = (a, b) => a.content === b.content && a.status === b.status && a.sibling_index === b.sibling_index && a.sibling_count === b.sibling_count;

const underWay = new Set(); // keys of sends

export class Conversation {
  // onNew is told when a new chat has got its id.
  constructor(id, onNew) {
    this.id = id;
    this.onNew = onNew;
    this.session = signal(sessions.value.find(({ session_id }) => session_id === id) ?? null);
    this.state = signal(id ? "loading" : "ready"); // "loading", "ready", "missing", "failed"
    this.messages = signal([]);
    this.hasOlder = signal(false);
    this.turn = signal(null); // {isStopping, isAccepted}: an answer is being written
    this.isLineUp = signal(true);
    this.isSwitching = signal(false); // another version is fetched
    this.editing = signal(null); // the key of a message that is being edited
    this.returned = signal(null); // a text that goes back into the field
    this.scrollWish = signal(null); // {to: "end" | "stay"}: what the list shall do with its next change
    this.era = 0; // grows when a turn begins or another version is shown
    this.line = null;
    this.run = null; // what is needed to go on watching
  }

  get path() {
    return this.messages.value.filter(({ unsent }) => !unsent);
  }

  get unsent() {
    return this.messages.value.filter(({ unsent }) => unsent);
  }

  // Whether nothing else may begin.
  get isBusy() {
    return this.turn.value !== null || this.isSwitching.value;
  }

  // ---- reading ----

  async open() {
    try {
      const [page] = await Promise.all([api.listMessages(this.id, { limit: PAGE }), this.session.value ? null : this.readSession()]);
      this.reconcile(page);
      this.state.value = "ready";
      this.editing.value = this.path.find(({ id, role }) => role === "user" && readDraft(this.id, id))?.key ?? null;
      this.goOn();
    } catch (error) {
      if (this.state.value === "loading") this.state.value = error.status === 404 || error.status === 400 ? "missing" : "failed";
    }
  }

  // One's own deleted chat; another's stays missing, as one that never was.
  async bringBack() {
    if (!(await restore(this.id))) return;
    this.state.value = "loading";
    await this.open();
  }

  async readSession() {
    this.session.value = await refreshSession(this.id);
  }

  // Joins a turn that runs on the server, or settles sends of before a reload.
  goOn() {
    if (this.turn.value) return;
    const last = this.path.at(-1);
    if (last?.status === "streaming") this.join(last);
    else this.settleSends();
  }

  // What was told to have failed waits for its person; what nobody heard of goes again, with its key.
  settleSends() {
    for (const send of openSends(this.id)) {
      if (underWay.has(send.key) || this.messages.value.some(({ key }) => key === `q${send.key}`)) continue;
      if (send.failure || isStale(send)) this.showUnsent(send);
      else if (!this.turn.value) this.begin(send);
    }
  }

  // What was read, or null when the chat has gone on meanwhile.
  async fresh(reading) {
    const { era } = this;
    const result = await reading;
    return era === this.era ? result : null;
  }

  // Reads the end of the chat again: another tab or device may have gone on with it.
  async sync() {
    if (!this.id || this.isBusy || this.state.value === "loading") return;
    try {
      const page = await this.fresh(api.listMessages(this.id, { limit: Math.min(200, Math.max(PAGE, this.messages.value.length)) }));
      if (!page) return;
      this.reconcile(page);
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

  // The path up to a message; empty when it is not there.
  pathUpTo(id) {
    return this.path.slice(0, Math.max(0, this.path.findIndex((item) => item.id === id)));
  }

  // What was just read stands for the end of the chat; older messages stay when it follows them.
  reconcile({ items, older }, kept = this.pathUpTo(items[0]?.message_id)) {
    const known = new Map(this.messages.value.map((item) => [item.id, item]));
    const fresh = items.map((message) => {
      const before = known.get(message.message_id);
      if (before && before.seq === message.seq && isSame(before, message) && !before.live) return before;
      return this.itemOf(message, before);
    });
    batch(() => {
      this.messages.value = [...kept, ...fresh, ...this.unsent];
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
    this.begin(keepSend(this.id, body, edited?.id));
  }

  // The path that a send goes on from.
  pathBefore({ parent_message_id: parent }) {
    const { path } = this;
    if (parent === undefined) return path;
    const at = parent === null ? -1 : path.findIndex(({ id }) => id === parent);
    if (parent !== null && at < 0) return path.slice(0, path.findIndex((item) => item.parent_id === parent));
    return path.slice(0, at + 1);
  }

  begin(send) {
    const question = { key: `q${send.key}`, role: "user", content: send.body.text, status: "complete", isPending: true, created_at: new Date().toISOString() };
    const answer = { key: `a${send.key}`, role: "assistant", content: "", status: "streaming", live: newLive(), created_at: question.created_at };
    const before = this.path;
    const waiting = this.unsent.filter(({ key }) => key !== question.key);
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...this.greetingOf(send.body), ...this.pathBefore(send.body), question, answer, ...waiting];
    const known = new Set(sessions.value.map(({ session_id }) => session_id));
    underWay.add(send.key);
    this.follow({
      send, answer, after: 0,
      post: (signal) => api.openChat(send.body, send.key, signal),
      find: () => this.findNew(send.body.text, known),
      refused: (error) => {
        this.messages.value = [...before, ...this.unsent];
        this.showUnsent(failSend(send, sentenceOf(error)), error);
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
    if (this.isBusy) return;
    const key = randomId();
    const before = this.messages.value;
    const answer = { key: `a${key}`, role: "assistant", content: "", status: "streaming", live: newLive(), parent_id: message.parent_id, created_at: new Date().toISOString() };
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...this.pathUpTo(message.id), answer, ...this.unsent];
    this.follow({
      answer, after: 0,
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
    this.follow({ answer, after: 0, isAccepted: true });
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
    this.era++;
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
      if (run.isAccepted) await this.readEnd();
      else run.refused(error);
    } finally {
      underWay.delete(run.send?.key);
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
      const read = await this.fresh(Promise.all([api.listMessages(this.id, { limit: PAGE }), this.readSession()]));
      if (read) this.reconcile(read[0]);
    } catch (error) {
      // All else is read again when the page looks for news.
      if (error.status === 404) this.state.value = "missing";
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
    run.isAccepted = true;
    run.post = null;
    run.answer = this.replace(run.answer.key, { id: event.message_id, turn_id: event.turn_id, parent_id: event.user_message_id }) ?? run.answer;
    if (run.send) this.confirmed(run.send, event, isNew);
    markWriting(this.id, true);
    const isStopping = this.turn.value?.isStopping === true;
    this.turn.value = { isAccepted: true, isStopping };
    if (isStopping) this.stop();
  }

  // What was sent stands there; the chat moves to the top of the list, and a new one gets its address.
  confirmed(send, event, isNew) {
    dropSend(send);
    this.replace(`q${send.key}`, { id: event.user_message_id, turn_id: event.turn_id, isPending: false });
    announce("Message sent. The answer is being written.");
    const now = new Date().toISOString();
    const preview = send.body.text.slice(0, 60);
    if (!isNew) return changeSession(this.id, { last_message_at: now, preview });
    this.session.value = {
      session_id: event.session_id, title: event.title, preview, message_count: 2, is_active: true, helper: send.body.helper ?? null,
      project_id: send.body.project_id ?? null, created_at: now, updated_at: now, last_message_at: now,
    };
    learnSession(this.session.value);
    this.onNew(this);
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

  showUnsent(send, error = null) {
    // The same text again cannot succeed where the text or the chat is what is wrong.
    const canRetry = !error || error.code === "unreachable" || error.status >= 429 || [401, 408, 409].includes(error.status);
    const reason = send.failure ?? "This message was not sent.";
    this.scrollWish.value = { to: "end" };
    this.messages.value = [...this.messages.value, {
      key: `q${send.key}`, role: "user", content: send.body.text, status: "complete", created_at: new Date(send.at).toISOString(), unsent: { send, reason, canRetry },
    }];
    announce(`The message was not sent. ${reason}`);
  }

  resend(item) {
    if (this.isBusy) return;
    const { send } = item.unsent;
    if (!isStale(send)) return this.begin(send);
    this.discard(item);
    this.begin(keepSend(send.chat, send.body, send.edited));
  }

  discard(item) {
    dropSend(item.unsent.send);
    this.messages.value = this.messages.value.filter(({ key }) => key !== item.key);
  }

  // Back to where it was typed: over the message that it changes, or into the field.
  takeBack(item) {
    this.discard(item);
    const place = this.path.find(({ id }) => id && id === item.unsent.send.edited);
    if (!place || place.key === this.editing.value) this.returned.value = item.content;
    else {
      keepDraft(this.id, item.content, place.id);
      this.editing.value = place.key;
    }
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
