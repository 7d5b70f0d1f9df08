/** Two-factor sign-in: switched on by an authenticator's first code, with recovery codes, renewed, and switched off. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

import * as api from "../js/api.js";
import { copyText } from "../js/copy.js";
import { count } from "../js/format.js";
import { AuthForm, CODE } from "./auth.js";
import { IconButton, LinkButton } from "./controls.js";
import { Close } from "./icons.js";

const PASSWORD = {
  name: "password",
  label: "Your password",
  type: "password",
  autocomplete: "current-password",
  test: "two-factor-password",
  missing: "Enter your password.",
};
const FIRST_CODE = { ...CODE, test: "two-factor-code", hint: "Six digits." };
const ANY_CODE = { ...CODE, test: "two-factor-code" };

/**
 * The browser's own dialog keeps the focus inside and closes by Escape. Recovery codes are left by their own button alone:
 * browsers close at a second Escape whatever the page says, and then they are shown again.
 */
export function TwoFactor({ onClose }) {
  const dialog = useRef(null);
  const heading = useRef(null);
  const [view, setView] = useState({ name: "loading" });
  const held = view.name === "codes";
  const show = (name, facts = {}) => setView({ name, ...facts });
  const load = () =>
    api.twoFactor().then(
      ({ enabled, recovery_codes_left: left }) => show(enabled ? "on" : "off", { left }),
      (error) => show("failed", { problem: error.message }),
    );
  useEffect(() => {
    dialog.current.showModal();
    load();
  }, []);
  useEffect(() => {
    if (!dialog.current.contains(document.activeElement)) heading.current.focus(); // it went with the view from before
  }, [view.name]);
  const keepKey = (event) => event.key === "Escape" && event.stopPropagation();
  const names = { "aria-labelledby": "two-factor-title", "data-test": "two-factor-view", "data-state": view.name };
  const events = {
    onCancel: (event) => held && event.preventDefault(),
    onClose: () => (held ? dialog.current.showModal() : onClose()),
    onKeyDown: keepKey,
  };
  return html`<dialog ref=${dialog} class="confirm two-factor" ...${names} ...${events}>
    <div class="dialog-head">
      <h2 id="two-factor-title" ref=${heading} tabindex="-1">Two-factor sign-in</h2>
      ${
        !held &&
        html`<${IconButton} icon=${Close} label="Close" test="two-factor-close" onClick=${() => dialog.current.close()} />`
      }
    </div>
    <${VIEWS[view.name]} key=${view.name} view=${view} show=${show} load=${load} />
  </dialog>`;
}

const VIEWS = {
  loading: Loading,
  failed: Failed,
  off: Off,
  begun: Begun,
  codes: Codes,
  on: On,
  renewing: Renewing,
  ending: Ending,
};

function Loading() {
  return html`<p class="late" role="status">Loading…</p>`;
}

function Failed({ view, load }) {
  return html`<p class="field-bad" role="alert">${view.problem}</p><${LinkButton} onClick=${load}>Try again<//>`;
}

function Off({ show }) {
  const form = {
    submit: "Set it up",
    send: ({ password }) => api.beginTwoFactor(password).then((begun) => show("begun", { begun })),
    fields: [{ ...PASSWORD, optional: true, hint: "Leave it empty if you sign in by Google alone." }],
  };
  return html`<p>It is off. With it, a sign-in asks for a code of an authenticator app on your phone besides.</p>
    <${AuthForm} form=${form} />`;
}

function Begun({ view: { begun }, show }) {
  const form = {
    submit: "Switch it on",
    send: ({ code }) => api.verifyTwoFactor(code).then((made) => show("codes", { codes: made.recovery_codes })),
    fields: [FIRST_CODE],
  };
  return html`<p>Scan this with your authenticator app, or type the key into it.</p>
    <img
      class="qr"
      alt="QR code for an authenticator app"
      src=${`data:image/svg+xml,${encodeURIComponent(begun.qr_svg)}`}
      data-test="two-factor-qr"
    />
    <code class="secret" data-test="two-factor-secret">${begun.secret}</code>
    <${AuthForm} form=${form} />`;
}

/** They are shown this once: nobody leaves without having said that they are kept. */
function Codes({ view: { codes }, load }) {
  const [copied, setCopied] = useState(false);
  const copy = () => copyText(codes.join("\n")).then(() => setCopied(true));
  return html`<p>
      Keep these codes. Each signs you in once when your authenticator is not at hand; they are not shown again.
    </p>
    <ul class="recovery-codes" data-test="recovery-codes">
      ${codes.map((code) => html`<li key=${code}><code>${code}</code></li>`)}
    </ul>
    <div class="confirm-buttons">
      <button type="button" class="button" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>
      <button type="button" class="button button-main" data-test="codes-kept" onClick=${load}>I have kept them</button>
    </div>`;
}

function On({ view: { left }, show }) {
  const renew = () => show("renewing");
  const end = () => show("ending");
  return html`<p>It is on. You have ${count(left, "recovery code")} left.</p>
    <div class="confirm-buttons">
      <button type="button" class="button" data-test="renew-codes" onClick=${renew}>New recovery codes</button>
      <button type="button" class="button button-danger" data-test="two-factor-off" onClick=${end}>Switch it off</button>
    </div>`;
}

function Renewing({ show, load }) {
  const form = {
    submit: "Make new codes",
    send: ({ code }) => api.renewRecoveryCodes(code).then((made) => show("codes", { codes: made.recovery_codes })),
    fields: [ANY_CODE],
  };
  return html`<p>The codes from before will be worth nothing.</p>
    <${AuthForm} form=${form} /><${LinkButton} onClick=${load}>Back<//>`;
}

function Ending({ load }) {
  const form = {
    submit: "Switch it off",
    send: ({ code }) => api.disableTwoFactor({ code }).then(load),
    fields: [ANY_CODE],
  };
  return html`<p>Your password alone, or Google, will sign you in then.</p>
    <${AuthForm} form=${form} /><${LinkButton} onClick=${load}>Back<//>`;
}
