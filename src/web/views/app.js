// The whole page: the sign-in form, or the list of chats beside the open one.
import { html } from "../lib/html.js";
import { announcement, conversation, currentSession, helpers, phase, projects, sidebarFolded, sidebarOpen } from "../state/store.js";
import { ConversationView } from "./conversation.js";
import { Dialogs } from "./dialogs.js";
import { IconButton } from "./icon.js";
import { Notices } from "./notices.js";
import { newChat, Sidebar, toggleSidebar } from "./sidebar.js";
import { SignIn } from "./sign-in.js";

export function App() {
  return html`
    ${phase.value === "in" && html`<${Shell} />`}
    ${phase.value === "out" && html`<${SignIn} />`}
    <${Notices} />
    <${Dialogs} />
    <div class="unseen" role="status" aria-live="polite">${announcement.value}</div>`;
}

function Shell() {
  const classes = `shell ${sidebarFolded.value ? "is-folded" : ""} ${sidebarOpen.value ? "is-drawn" : ""}`;
  return html`<div class=${classes}>
    <${Sidebar} />
    <main class="main">
      <${TopBar} />
      <${ConversationView} />
    </main>
  </div>`;
}

function TopBar() {
  const session = currentSession.value ?? conversation.value?.session.value;
  const title = session?.title;
  const helper = helpers.value.find(({ name }) => name === session?.helper);
  const project = projects.value.find(({ project_id }) => project_id === session?.project_id);
  const place = [helper?.display_name ?? helper?.name, project?.name].filter(Boolean).join(" · ");
  return html`<header class="top-bar">
    <${IconButton} icon="panel" label="Open sidebar" class="only-folded" onClick=${toggleSidebar} />
    <${IconButton} icon="menu" label="Open sidebar" class="only-narrow" onClick=${toggleSidebar} />
    ${title ? html`<h1 class="top-title">${title}</h1>` : html`<div class="top-title"></div>`}
    ${place && html`<span class="top-place" title=${place}>${place}</span>`}
    <${IconButton} icon="compose" label="New chat" class="only-folded only-narrow" onClick=${newChat} />
  </header>`;
}
