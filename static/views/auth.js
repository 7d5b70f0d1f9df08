/** Signing in and signing up: one form, errors at the fields they belong to. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { login, register } from "../js/account.js";
import { askForReset, signInMethods } from "../js/api.js";
import { loginNotice } from "../js/state.js";
import { IconButton } from "./controls.js";
import { Eye, Logo } from "./icons.js";
import { ThemeButton } from "./theme-button.js";

const EMAIL = {
  name: "email",
  label: "Email",
  type: "email",
  autocomplete: "username",
  test: "email",
  missing: "Enter your email address.",
};
const PASSWORD = {
  name: "password",
  label: "Password",
  type: "password",
  test: "password",
  missing: "Enter a password.",
};
/** Asked for once the hub has said that it wants one. */
export const CODE = {
  name: "code",
  label: "Code of your authenticator",
  type: "text",
  autocomplete: "one-time-code",
  capitals: "none",
  test: "code",
  missing: "Enter the code that your authenticator shows.",
  hint: "Six digits, or one of your recovery codes.",
  focused: true,
};
const FORMS = {
  login: {
    title: "Sign in",
    submit: "Sign in",
    send: login,
    fields: [EMAIL, { ...PASSWORD, autocomplete: "current-password" }],
    other: ["register", "New here?", "Create an account"],
  },
  register: {
    title: "Create an account",
    submit: "Create account",
    send: register,
    fields: [
      {
        name: "firstName",
        label: "First name",
        type: "text",
        autocomplete: "given-name",
        test: "first-name",
        missing: "Enter your first name.",
      },
      {
        name: "lastName",
        label: "Last name",
        type: "text",
        autocomplete: "family-name",
        test: "last-name",
        missing: "Enter your last name.",
      },
      EMAIL,
      { ...PASSWORD, autocomplete: "new-password", hint: "At least 8 characters." },
    ],
    other: ["login", "Already have an account?", "Sign in"],
  },
  forgot: {
    title: "Forgot your password?",
    submit: "Send a link",
    send: ({ email }) => askForReset(email),
    done: "If somebody has this address, a link to set a new password is on its way. It is good for ten minutes.",
    fields: [EMAIL],
    other: ["login", "Remembered it?", "Sign in"],
  },
};

export function Auth() {
  const [mode, setMode] = useState("login");
  const [second, setSecond] = useState(false);
  useEffect(() => {
    document.title = `${FORMS[mode].title} – Smart AI Hub`;
  }, [mode]);
  const [next, question, label] = FORMS[mode].other;
  return html`<${AuthCard} title=${FORMS[mode].title}>
    ${loginNotice.value && html`<p class="notice" role="status">${loginNotice.value}</p>`}
    <${AuthForm} key=${mode} form=${mode === "login" ? withSecond(second, () => setSecond(true)) : FORMS[mode]} />
    ${mode === "login" && html`<${OtherWays} onForgot=${() => setMode("forgot")} />`}
    <p class="auth-switch">
      ${question}${" "}
      <button type="button" class="link" data-test="switch-form" onClick=${() => setMode(next)}>${label}</button>
    </p>
  <//>`;
}

/** The sign-in's form; where the hub asks for a code, it gets a field for it. */
function withSecond(second, onAsked) {
  const { fields } = FORMS.login;
  if (second) return { ...FORMS.login, fields: [...fields, CODE] };
  return { ...FORMS.login, grows: (error) => Boolean(error.fields?.code) && (onAsked(), true) };
}

/** The frame of every page that stands before the conversation. */
export function AuthCard({ title, children }) {
  return html`<main class="auth">
    <div class="auth-theme"><${ThemeButton} /></div>
    <div class="auth-card">
      <${Logo} />
      <h1>${title}</h1>
      ${children}
    </div>
  </main>`;
}

/** What the sign-in form has beside it; Google only where the hub has been told how. */
function OtherWays({ onForgot }) {
  const [google, setGoogle] = useState(false);
  useEffect(() => {
    signInMethods().then(
      (methods) => setGoogle(methods.google),
      () => {}, // the button stays away; the form above says what is wrong when it is used
    );
  }, []);
  return html`${google && html`<a class="button" href="/api/auth/google" data-test="google">Continue with Google</a>`}
    <p class="auth-switch">
      <button type="button" class="link" data-test="forgot" onClick=${onForgot}>Forgot password?</button>
    </p>`;
}

/**
 * A form of named fields. Where it stays on the page after its end, `form.done` says what has become of it. `form.grows`
 * tells whether an answer is no failure, because the form gets a further field by it.
 */
export function AuthForm({ form }) {
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const element = useRef(null);

  useEffect(() => element.current.querySelector("input").focus(), []);
  useEffect(() => element.current?.querySelector("[aria-invalid=true]")?.focus(), [errors]);

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    const values = Object.fromEntries(new FormData(event.currentTarget));
    const missing = form.fields
      .filter(({ name, optional }) => !optional && !values[name].trim())
      .map(({ name, missing }) => [name, missing]);
    if (missing.length) return setErrors(Object.fromEntries(missing));
    setBusy(true);
    try {
      await form.send(values);
      if (form.done) setDone(true);
    } catch (error) {
      setErrors(form.grows?.(error) ? {} : placed(error, form));
      setBusy(false);
    }
  }

  if (done) return html`<p class="auth-done" role="status" data-test="form-done">${form.done}</p>`;
  return html`<form ref=${element} onSubmit=${submit} noValidate aria-busy=${busy}>
    ${errors.form && html`<p class="notice notice-bad" role="alert" data-test="form-error">${errors.form}</p>`}
    <div class="fields">
      ${form.fields.map((field) => html`<${Field} key=${field.name} ...${field} error=${errors[field.name]} />`)}
    </div>
    <button type="submit" class="button button-main" data-test="submit" aria-disabled=${busy}>
      ${busy ? "One moment…" : form.submit}
    </button>
  </form>`;
}

/** Each error at its field; what belongs to no field of this form stands above it. */
function placed(error, form) {
  const shown = form.fields.filter(({ name }) => error.fields?.[name]);
  if (shown.length) return Object.fromEntries(shown.map(({ name }) => [name, error.fields[name]]));
  return { form: error.message };
}

function Field({ name, label, type, autocomplete, capitals, test, hint, initial, focused, error }) {
  const [shown, setShown] = useState(false);
  const input = useRef(null);
  useEffect(() => focused && input.current.focus(), []); // one that came later
  const secret = type === "password";
  const toggle = () => setShown(!shown);
  const note = error ?? hint;
  return html`<div class=${`field field-${name}`}>
    <label for=${`field-${name}`}>${label}</label>
    <div class="field-box">
      <input
        id=${`field-${name}`}
        name=${name}
        type=${secret && shown ? "text" : type}
        autocomplete=${autocomplete}
        ref=${input}
        defaultValue=${initial}
        autocapitalize=${capitals ?? (type === "text" ? "words" : "none")}
        spellcheck=${false}
        required
        data-test=${test}
        aria-invalid=${error ? "true" : "false"}
        aria-describedby=${note ? `note-${name}` : undefined}
      />
      ${secret && html`<${IconButton} icon=${Eye} label="Show password" aria-pressed=${shown} onClick=${toggle} />`}
    </div>
    ${note && html`<${FieldNote} name=${name} test=${test} text=${note} bad=${Boolean(error)} />`}
  </div>`;
}

function FieldNote({ name, test, text, bad }) {
  const mark = bad ? { class: "field-note field-bad", "data-test": `${test}-error` } : { class: "field-note" };
  return html`<p id=${`note-${name}`} ...${mark}>${text}</p>`;
}
