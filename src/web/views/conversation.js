// The open chat: the list of its messages and how it scrolls.
//
// What must stay true: the list sticks to its end unless the reader has scrolled up (lib/stick.js); older messages that come in above, and versions
// that are switched, move nothing under the reader's eyes.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { html } from "../lib/html.js";
import { copyText } from "../lib/clipboard.js";
import { Stick } from "../lib/stick.js";
import { partOfDay } from "../lib/time.js";
import { announce } from "../state/notices.js";
import { go } from "../state/route.js";
import { chosenHelper, conversation, currentSession, helpers, projectFilter, projects, user } from "../state/store.js";
import { Composer } from "./composer.js";
import { Icon, IconButton, Mark } from "./icon.js";
import { Message } from "./message.js";

const NEAR_BEGIN = 900; // pixels
const FAR = 200;
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

export function ConversationView() {
  const chat = conversation.value;
  const name = currentSession.value?.title ?? chat?.session.value?.title ?? "";
  useEffect(() => {
    document.title = name ? `${name} – Parley` : "Parley";
  }, [name]);
  return html`<div class="conversation">
    ${chat && html`<${Body} key=${chat} chat=${chat} />`}
    ${chat?.state.value !== "missing" && html`<${Composer} />`}
  </div>`;
}

function Body({ chat }) {
  const state = chat.state.value;
  if (state === "missing") {
    return html`<${Hint} title="This chat is not there" text="It was deleted, or it belongs to somebody else.">
      <div class="hint-buttons"><button type="button" class="button primary" onClick=${() => go(null)}>Start a new chat</button>
        <button type="button" class="button" onClick=${() => chat.bringBack()}>Bring it back</button></div></${Hint}>`;
  }
  if (state === "failed" && !chat.messages.value.length) {
    return html`<${Hint} title="The chat could not be read" text="The server cannot be reached right now.">
      <button type="button" class="button primary" onClick=${() => chat.open()}>Try again</button></${Hint}>`;
  }
  if (state === "loading") return html`<${Skeleton} />`;
  if (!chat.messages.value.length) return html`<${Empty} isNew=${!chat.id} />`;
  return html`<${List} chat=${chat} />`;
}

function Hint({ title, text, children }) {
  return html`<div class="hint-page"><${Mark} /><h1>${title}</h1><p>${text}</p>${children}</div>`;
}

function Skeleton() {
  return html`<div class="scroller" aria-busy="true"><div class="column skeleton" role="img" aria-label="Loading the chat">
    <div class="bone short right"></div><div class="bone"></div><div class="bone"></div><div class="bone half"></div>
    <div class="bone short right"></div><div class="bone"></div><div class="bone half"></div>
  </div></div>`;
}

function Empty({ isNew }) {
  const helper = helpers.value.find(({ name }) => name === chosenHelper.value);
  const project = projects.value.find(({ project_id }) => project_id === projectFilter.value);
  const name = user.value?.display_name?.split(" ")[0];
  const greeting = partOfDay() === "night" ? "Good evening" : `Good ${partOfDay()}`;
  const text = helper?.greeting ?? "What is on your mind?";
  return html`<div class="hint-page empty">
    <${Mark} />
    <h1>${greeting}${name ? `, ${name}` : ""}</h1>
    <p>${text}</p>
    ${project && isNew && html`<p class="where"><${Icon} name="folder" />In ${project.name}</p>`}
    ${isNew && helpers.value.length > 0 && html`<div class="helpers" role="radiogroup" aria-label="Who answers">
      <${HelperChoice} name=${null} label="Parley" />
      ${helpers.value.map((each) => html`<${HelperChoice} name=${each.name} label=${each.display_name ?? each.name} />`)}
    </div>`}
  </div>`;
}

function HelperChoice({ name, label }) {
  const isChosen = chosenHelper.value === name;
  return html`<label class=${isChosen ? "choice is-chosen" : "choice"}>
    <input type="radio" name="helper" checked=${isChosen} onChange=${() => (chosenHelper.value = name)} />${label}</label>`;
}

// ---- the list ----

function List({ chat }) {
  const scroller = useRef(null);
  const inner = useRef(null);
  const stick = useRef(null);
  const isAway = useSignal(false);
  const messages = chat.messages.value;
  const anchor = useRef(null);

  useLayoutEffect(() => {
    stick.current = new Stick(scroller.current, inner.current);
    return () => stick.current.end();
  }, []);
  const onScroll = () => {
    stick.current.scrolled();
    isAway.value = stick.current.rest > FAR;
    if (stick.current.top < NEAR_BEGIN) chat.readOlder();
  };

  const first = messages[0]?.key;
  const before = anchor.current;
  if (before && before.first !== first) keepPlace(before, scroller.current);
  useLayoutEffect(() => {
    const wish = chat.scrollWish.peek();
    chat.scrollWish.value = null;
    if (wish?.to === "stay") stick.current.isStuck = false;
    if (wish?.to === "end") stick.current.toEnd();
    else if (stick.current.isStuck) stick.current.follow();
    else if (before?.key && before.first !== first) putBack(before, scroller.current);
    anchor.current = { first };
  }, [messages]);

  const jump = () => {
    stick.current.isStuck = true;
    scroller.current.scrollTo({ top: scroller.current.scrollHeight, behavior: isStill.matches ? "instant" : "smooth" });
  };

  return html`<div class="scroller" ref=${scroller} onScroll=${onScroll} onClick=${copyCode} tabindex="0" aria-label="Messages" role="region">
      <div class="column" ref=${inner} role="log" aria-live="off" aria-label="Conversation">
        ${chat.hasOlder.value && html`<p class="older" aria-hidden="true"><span class="pulse"></span></p>`}
        ${messages.map((item, i) => html`<${Message} key=${item.key} chat=${chat} item=${item} isLast=${i === messages.length - 1}
          isBusy=${chat.turn.value !== null} isEditing=${chat.editing.value === item.key} />`)}
        ${!chat.isLineUp.value && chat.turn.value?.isAccepted && html`<p class="doing" role="status"><span class="pulse"></span>The line was lost. Coming back…</p>`}
      </div>
    </div>
    <div class="jump-place">${isAway.value && html`<${IconButton} icon="arrowDown" label="To the newest message" class="jump" onClick=${jump} />`}</div>`;
}

// Which message is at the top of the window, and where.
function keepPlace(place, scroller) {
  const top = scroller.getBoundingClientRect().top;
  for (const article of scroller.querySelectorAll("article")) {
    const at = article.getBoundingClientRect();
    if (at.bottom <= top) continue;
    place.key = article.dataset.key;
    place.offset = at.top;
    return;
  }
}

function putBack({ key, offset }, scroller) {
  const article = scroller.querySelector(`article[data-key="${CSS.escape(key)}"]`);
  if (article) scroller.scrollTop += article.getBoundingClientRect().top - offset;
}

// The buttons of code blocks: their blocks are not Preact's.
async function copyCode(event) {
  const button = event.target.closest?.("[data-copy-code]");
  if (!button) return;
  const done = await copyText(button.closest(".code").querySelector("code").textContent);
  button.textContent = done ? "Copied" : "Failed";
  if (done) announce("Code copied.");
  setTimeout(() => (button.textContent = "Copy"), 1600);
}
