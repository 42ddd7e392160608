// The list of chats, by date, and what stands around it.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { openConversation } from "../state/open.js";
import { go } from "../state/route.js";
import { chooseProject, openList } from "../state/sessions.js";
import { removeProject } from "../state/aside.js";
import { doSignOut } from "../state/account.js";
import { chatId, dialog, listState, projectFilter, projects, sessions, sidebarFolded, sidebarOpen, theme, user } from "../state/store.js";
import { ChatList } from "./chat-list.js";
import { Icon, IconButton, Mark } from "./icon.js";
import { Menu } from "./menu.js";
import { focusComposer } from "./composer.js";

// One that is still on its way to the server goes on without us.
export function newChat() {
  const wasNew = chatId.value === null;
  go(null);
  if (wasNew) openConversation(null);
  requestAnimationFrame(focusComposer);
}

export function toggleSidebar() {
  if (matchMedia("(max-width: 760px)").matches) sidebarOpen.value = !sidebarOpen.value;
  else sidebarFolded.value = !sidebarFolded.value;
}

export function Sidebar() {
  const isHidden = useHidden();
  return html`<aside class="sidebar" aria-label="Chats" inert=${isHidden}>
    <header class="sidebar-head">
      <a class="brand" href="/" onClick=${(event) => { event.preventDefault(); newChat(); }}><${Mark} />Parley</a>
      <${IconButton} icon="panel" label="Close sidebar" onClick=${toggleSidebar} />
    </header>
    <button type="button" class="new-chat" aria-current=${chatId.value === null ? "page" : null} onClick=${newChat}><${Icon} name="compose" />New chat</button>
    <${ProjectFilter} />
    <${Chats} />
    <${Person} />
  </aside>
  <div class="backdrop" onClick=${() => (sidebarOpen.value = false)}></div>`;
}

// What is out of sight is out of reach of the Tab key too.
function useHidden() {
  const narrow = useRef(null);
  narrow.current ??= matchMedia("(max-width: 760px)");
  const [isNarrow, setNarrow] = useState(narrow.current.matches);
  useLayoutEffect(() => {
    const change = () => setNarrow(narrow.current.matches);
    narrow.current.addEventListener("change", change);
    return () => narrow.current.removeEventListener("change", change);
  }, []);
  return isNarrow ? !sidebarOpen.value : sidebarFolded.value;
}

function ProjectFilter() {
  const chosen = projects.value.find(({ project_id }) => project_id === projectFilter.value);
  const items = [
    { label: "All chats", isChosen: !chosen, run: () => chooseProject(null) },
    ...projects.value.map((project) => ({ label: project.name, isChosen: project === chosen, run: () => chooseProject(project.project_id) })),
    "line",
    { label: "New project", icon: "plus", run: () => (dialog.value = { kind: "project" }) },
  ];
  if (chosen?.is_owner) {
    items.push(
      { label: "Rename project", icon: "pencil", run: () => (dialog.value = { kind: "project", project: chosen }) },
      { label: "Delete project", icon: "trash", isDanger: true, run: () => askAndRemove(chosen) },
    );
  }
  return html`<${Menu} label=${`Project: ${chosen?.name ?? "All chats"}`} items=${items} class="project-filter" align="start">
    <${Icon} name="folder" /><span>${chosen?.name ?? "All chats"}</span><${Icon} name="down" />
  </${Menu}>`;
}

function askAndRemove(project) {
  dialog.value = {
    kind: "confirm", title: "Delete project?", text: `“${project.name}” is deleted. Its chats are kept.`, action: "Delete", run: () => removeProject(project.project_id),
  };
}

function Chats() {
  const count = sessions.value.length;
  if (listState.value === "failed" && !count) {
    return html`<div class="list-hint"><p>Your chats could not be read.</p><button type="button" class="button small" onClick=${openList}>Try again</button></div>`;
  }
  if (listState.value === "loading" && !count) {
    return html`<div class="list-hint bones" role="img" aria-label="Loading chats">${[1, 2, 3, 4, 5, 6].map(() => html`<div class="bone"></div>`)}</div>`;
  }
  if (!count) {
    return html`<div class="list-hint"><p>${projectFilter.value ? "No chats in this project yet." : "No chats yet."}</p><p>What you write is kept here.</p></div>`;
  }
  return html`<${ChatList} />`;
}

const THEMES = { auto: "Theme of the system", light: "Light theme", dark: "Dark theme" };

function Person() {
  const name = user.value?.display_name || user.value?.email || "";
  const items = [
    ...Object.entries(THEMES).map(([value, label]) => ({ label, isChosen: theme.value === value, run: () => (theme.value = value) })),
    "line",
    { label: "Keyboard shortcuts", icon: "keyboard", run: () => (dialog.value = { kind: "shortcuts" }) },
    { label: "Settings", icon: "gear", run: () => (dialog.value = { kind: "settings" }) },
    "line",
    { label: "Sign out", icon: "out", run: () => doSignOut() },
  ];
  return html`<footer class="sidebar-foot"><${Menu} label=${`Account: ${name}`} items=${items} class="person" align="start">
    <span class="initial" data-initial=${[...name][0]?.toUpperCase()}></span><span class="person-name">${name}</span><${Icon} name="more" />
  </${Menu}></footer>`;
}
