// The dialog that is open, in the browser's own <dialog>: it keeps the focus inside and gives it back.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { changeMe, changePassword, readUsage, removeMe, signIn } from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { holdToken } from "../api/token.js";
import { doSignOut, endHere, learn } from "../state/account.js";
import { addProject, changeProject } from "../state/aside.js";
import { notify } from "../state/notices.js";
import { chooseProject } from "../state/sessions.js";
import { dialog, user } from "../state/store.js";
import { IconButton } from "./icon.js";
import { ShortcutsSheet } from "./shortcuts-sheet.js";
import { newChat } from "./sidebar.js";
import { FormField, Password } from "./sign-in.js";

const close = () => (dialog.value = null);

export function Dialogs() {
  const open = dialog.value;
  if (!open) return null;
  const content = {
    confirm: Confirm,
    project: Project,
    shortcuts: ShortcutsSheet,
    settings: Settings,
  }[open.kind];
  return html`<${Dialog} key=${open.kind} open=${open} title=${titleOf(open)} isWide=${open.kind === "settings" || open.kind === "shortcuts"}><${content} ...${open} open=${open} /></${Dialog}>`;
}

function titleOf({ kind, title, project }) {
  return title ?? { project: project ? "Rename project" : "New project", shortcuts: "Keyboard shortcuts", settings: "Settings" }[kind];
}

function Dialog({ open, title, isWide, children }) {
  const root = useRef(null);
  useLayoutEffect(() => {
    const element = root.current;
    element.showModal();
    // Closed before it goes: that gives the focus back.
    return () => element.close();
  }, []);
  // Told late: another one may be open by then.
  const onClose = () => dialog.value === open && close();
  // The backdrop is the dialog itself, its content lies in a box. A selection that is begun inside may end out there.
  const pressed = useRef(null);
  const onPointerDown = ({ target }) => (pressed.current = target);
  const onClick = ({ target }) => target === root.current && target === pressed.current && close();
  return html`<dialog ref=${root} class=${isWide ? "dialog is-wide" : "dialog"} aria-labelledby="dialog-title" onCancel=${onClose} onClose=${onClose}
    onPointerDown=${onPointerDown} onClick=${onClick}>
    <div class="dialog-box">
      <header><h2 id="dialog-title">${title}</h2><${IconButton} icon="close" label="Close" onClick=${close} /></header>
      ${children}
    </div>
  </dialog>`;
}

// Loaded when it is first opened. It imports nothing and gets what it needs from here: pieces that two bundles share would cost the first load more than
// is saved.
const kit = { html, useEffect, useRef, useState, changeMe, changePassword, readUsage, removeMe, signIn, sentenceOf, holdToken, doSignOut, endHere, learn, dialog, user, FormField, Password };

function Settings() {
  const [part, setPart] = useState(null);
  useEffect(() => {
    import("./settings.js").then(({ makeSettings }) => setPart({ Part: makeSettings(kit) }), () => setPart({ failed: true }));
  }, []);
  if (part?.failed) return html`<p role="alert">This part could not be loaded. Reload the page to try again.</p>`;
  return part ? html`<${part.Part} />` : html`<div class="bones" aria-busy="true"><div class="bone"></div><div class="bone"></div></div>`;
}

function Confirm({ text, action, run }) {
  const go = () => {
    close();
    run();
  };
  return html`<p>${text}</p>
    <div class="dialog-buttons"><button type="button" class="button" onClick=${close}>Cancel</button>
      <button type="button" class="button danger" onClick=${go}>${action}</button></div>`;
}

function Project({ project, open }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const save = async (event) => {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("name").trim();
    if (!name) return setError({ errors: [{ field: "name", message: "is needed" }] });
    setBusy(true);
    try {
      const made = await (project ? changeProject(project.project_id, name) : addProject(name));
      // Who has closed this and gone on is not disturbed.
      if (dialog.value !== open) return undefined;
      close();
      if (project) return undefined;
      chooseProject(made.project_id);
      return newChat();
    } catch (failure) {
      if (dialog.value !== open) return notify(`The project was not saved. ${sentenceOf(failure)}`, { kind: "error" });
      setBusy(false);
      return setError(failure);
    }
  };
  const wrong = error ? error.errors?.[0]?.message ?? sentenceOf(error) : null;
  return html`<form noValidate onSubmit=${save}>
    <${FormField} name="name" label="Name" type="text" maxlength="200" autocomplete="off" autoFocus defaultValue=${project?.name ?? ""} wrong=${wrong} />
    <div class="dialog-buttons"><button type="button" class="button" onClick=${close}>Cancel</button>
      <button type="submit" class="button primary" disabled=${isBusy}>${project ? "Rename" : "Create"}</button></div>
  </form>`;
}
