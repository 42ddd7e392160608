// Signing in and up.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { sentenceOf } from "../api/problem.js";
import { doSignIn, doSignUp } from "../state/account.js";
import { signedOutBecause } from "../state/store.js";
import { Mark } from "./icon.js";

const WORDS = {
  in: { title: "Welcome back", button: "Sign in", question: "New here?", other: "Create an account" },
  up: { title: "Create your account", button: "Create account", question: "You have an account?", other: "Sign in" },
};

export function SignIn() {
  const [mode, setMode] = useState("in");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const form = useRef(null);
  const words = WORDS[mode];

  useLayoutEffect(() => {
    document.title = "Parley";
    form.current.elements.email.focus();
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) return;
    const fields = Object.fromEntries([...new FormData(form.current)].map(([name, value]) => [name, name === "password" ? value : value.trim()]));
    const wrong = checked(fields, mode);
    setError(wrong);
    if (wrong) return show(wrong);
    setBusy(true);
    try {
      await (mode === "in" ? doSignIn(fields) : doSignUp(withoutEmpty(fields)));
    } catch (failure) {
      setBusy(false);
      setError(failure);
      show(failure);
    }
  };
  const show = (failure) => {
    const name = failure.errors?.[0]?.field ?? (mode === "in" ? "password" : "email");
    form.current?.elements[name]?.focus();
  };
  const change = () => {
    setMode(mode === "in" ? "up" : "in");
    setError(null);
    form.current.elements.email.focus();
  };
  const wrong = (name) => error?.errors?.find(({ field }) => field === name)?.message;

  return html`<main class="sign-in">
    <div class="card">
      <${Mark} />
      <h1>${words.title}</h1>
      ${signedOutBecause.value && mode === "in" && html`<p class="card-note">${signedOutBecause.value}</p>`}
      <form ref=${form} method="post" action="/" noValidate onSubmit=${submit}>
        ${mode === "up" && html`<${FormField} name="display_name" label="Name (optional)" type="text" autocomplete="name" wrong=${wrong("display_name")} />`}
        <${FormField} name="email" label="E-mail address" type="email" autocomplete="username" wrong=${wrong("email")} />
        <${Password} key=${mode} name="password" label="Password" autocomplete=${mode === "in" ? "current-password" : "new-password"} hint=${mode === "up" ? "At least 8 characters." : null}
          wrong=${wrong("password")} />
        <div class="form-error" role="alert">${error && !error.errors?.length ? sentenceOf(error) : ""}</div>
        <button type="submit" class="button primary wide" disabled=${isBusy} aria-busy=${isBusy}>${isBusy ? html`<span class="pulse"></span>` : null}${words.button}</button>
      </form>
      <p class="card-foot">${words.question} <button type="button" class="link" onClick=${change}>${words.other}</button></p>
    </div>
  </main>`;
}

function withoutEmpty(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

// What can be seen without asking the server, in the form of its own errors.
function checked({ email, password }, mode) {
  const errors = [];
  if (!/^\S+@\S+$/.test(email)) errors.push({ field: "email", message: email ? "must be like ada@example.org" : "is needed" });
  if (!password) errors.push({ field: "password", message: "is needed" });
  else if (mode === "up" && [...password].length < 8) errors.push({ field: "password", message: "must have at least 8 characters" });
  return errors.length ? { errors } : null;
}

export function FormField({ name, label, hint, wrong, children, ...rest }) {
  const about = wrong || hint ? `about-${name}` : null;
  return html`<div class=${wrong ? "field is-wrong" : "field"}>
    <label for=${`field-${name}`}>${label}</label>
    <div class="field-box"><input id=${`field-${name}`} name=${name} aria-invalid=${wrong ? "true" : null} aria-describedby=${about} autocapitalize="none" spellcheck=${false} ...${rest} />${children}</div>
    ${about && html`<p id=${about} class="field-note">${wrong ? `${label.replace(/ \(.*/, "")} ${wrong}.` : hint}</p>`}
  </div>`;
}

export function Password(props) {
  const [isShown, setShown] = useState(false);
  return html`<${FormField} type=${isShown ? "text" : "password"} ...${props}>
    <button type="button" class="field-button" aria-pressed=${isShown} aria-label="Show password" onClick=${() => setShown(!isShown)}>${isShown ? "Hide" : "Show"}</button>
  </${FormField}>`;
}
