// The beginning: starts what listens, then draws.
import { effect, untracked } from "@preact/signals";
import { render } from "preact";
import { html } from "./lib/html.js";
import { startAccount } from "./state/account.js";
import { readAside, startAside } from "./state/aside.js";
import { startNews } from "./state/news.js";
import { forgetConversations, openConversation } from "./state/open.js";
import { startPrefs } from "./state/prefs.js";
import { startRoute } from "./state/route.js";
import { startList, startSessions } from "./state/sessions.js";
import { chatId, phase } from "./state/store.js";
import { App } from "./views/app.js";
import { startShortcuts } from "./views/shortcuts.js";

startPrefs();
startRoute();
startSessions();
startAside();
startNews();
startShortcuts();
startAccount(() => {
  startList();
  readAside();
});

// The open chat follows the address.
effect(() => {
  const id = chatId.value;
  const isIn = phase.value === "in";
  untracked(() => (isIn ? openConversation(id) : forgetConversations()));
});

render(html`<${App} />`, document.getElementById("page"));
