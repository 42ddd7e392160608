// The account: name, password, what was used, leaving. A file that is loaded when it is opened; kit is what it needs of the rest (dialogs.js).
export function makeSettings(kit) {
  const { html, useEffect, useRef, useState, FormField, Password } = kit;
  const { changeMe, changePassword, readUsage, removeMe, signIn, holdToken, sentenceOf } = kit;
  const { doSignOut, endHere, learn, dialog, user } = kit;

  // The server names fields as its API does.
  const readable = (sentences) => sentences.replaceAll("_", " ").replace(/(^|\. )[a-z]/g, (begin) => begin.toUpperCase());

  // A small form: what it sends, what it says when that worked.
  function Form({ title, button, done, save, children, danger }) {
    const form = useRef(null);
    const [isBusy, setBusy] = useState(false);
    const [error, setError] = useState(null);
    const [isDone, setDone] = useState(false);
    const submit = async (event) => {
      event.preventDefault();
      setBusy(true);
      setError(null);
      setDone(false);
      const fields = () => Object.fromEntries(new FormData(form.current));
      const sent = fields();
      try {
        await save(sent);
        // What was typed meanwhile stays.
        if (form.current && Object.entries(fields()).every(([name, value]) => sent[name] === value)) form.current.reset();
        setDone(true);
      } catch (failure) {
        setError(failure);
      }
      setBusy(false);
    };
    return html`<section><h3>${title}</h3><form ref=${form} noValidate onSubmit=${submit}>
      ${children}
      <div class="form-error" role="alert">${error ? readable(sentenceOf(error)) : ""}</div>
      <div class="form-done" role="status">${isDone && done}</div>
      <button type="submit" class=${danger ? "button danger" : "button"} disabled=${isBusy}>${button}</button>
    </form></section>`;
  }

  function Usage() {
    const [usage, setUsage] = useState(null);
    useEffect(() => {
      readUsage().then(setUsage, () => setUsage({}));
    }, []);
    const number = (value) => (value === undefined ? "–" : value.toLocaleString());
    const rows = [["Chats", usage?.session_count], ["Messages", usage?.message_count], ["Tokens read", usage?.prompt_tokens], ["Tokens written", usage?.completion_tokens]];
    return html`<section><h3>Usage</h3><dl class="usage">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${usage ? number(value) : "…"}</dd></div>`)}</dl></section>`;
  }

  async function saveName({ display_name }) {
    learn(await changeMe({ display_name: display_name.trim() || null }));
  }

  async function savePassword(fields) {
    try {
      holdToken(await changePassword(fields));
    } catch (error) {
      throw error.code === "invalid_credentials" ? new Error("The current password is wrong.") : error;
    }
  }

  // The password is asked for again: who finds an open page cannot remove an account.
  async function remove({ password }) {
    await signIn({ email: user.value.email, password }).then(holdToken);
    await removeMe();
    dialog.value = null;
    endHere();
  }

  return function Settings() {
    return html`<div class="settings">
      <p class="quiet">Signed in as ${user.value?.email}</p>
      <${Form} title="Your name" button="Save" done="Your name is saved." save=${saveName}>
        <${FormField} name="display_name" label="Name" type="text" autocomplete="name" maxlength="200" defaultValue=${user.value?.display_name ?? ""} />
      </${Form}>
      <${Form} title="Password" button="Change password" done="Your password is changed. Other devices are signed out." save=${savePassword}>
        <${Password} name="current_password" label="Current password" autocomplete="current-password" />
        <${Password} name="new_password" label="New password" autocomplete="new-password" hint="At least 8 characters." />
      </${Form}>
      <${Usage} />
      <section><h3>Devices</h3><p class="quiet">Ends every session of yours, on this and all other devices.</p>
        <button type="button" class="button" onClick=${() => doSignOut({ everywhere: true })}>Sign out everywhere</button></section>
      <${Form} title="Delete account" button="Delete my account and all chats" danger save=${remove}>
        <p class="quiet">Everything of yours is removed at once and for good.</p>
        <${Password} name="password" label="Your password" autocomplete="current-password" />
      </${Form}>
    </div>`;
  };
}
