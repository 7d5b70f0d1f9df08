/** The pages that links lead to: a new password, a confirmed address, the way back from Google. */

import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";

import { exchangeCode, resetPassword, verifyEmail } from "../js/api.js";
import { AuthCard, AuthForm, CODE } from "./auth.js";

const REFUSED = {
  access_denied: "You did not let Google sign you in.",
  account_exists:
    "This address belongs to an account with a password whose address has not been confirmed, or that another Google " +
    "account signs in to. Sign in with the password.",
  invalid_state: "This sign-in took too long, or began in another browser. Please try again.",
  not_allowed: "This Google account cannot sign in here: its address is not confirmed, or the account is suspended.",
  not_confirmed: "Google did not confirm who you are. Please try again.",
};
const TRY_LATER = "The sign-in by Google does not work just now. Please try again later.";

const BY_GOOGLE = "Sign in with Google";
const SECOND = {
  submit: "Sign in",
  send: ({ two_factor_code: second }) => arrive(second),
  fields: [{ ...CODE, name: "two_factor_code" }],
};

const VIEWS = { "/auth/reset": Reset, "/auth/verify": Verify, "/auth/callback": Callback };

/** The view of this address, or undefined on every other one. */
export const linkView = VIEWS[location.pathname];

const query = linkView ? takeQuery() : null;

/** What the query holds is a secret: it must stand neither in the history nor in a bookmark. */
function takeQuery() {
  const given = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname);
  return given;
}

function useTitle(title) {
  useEffect(() => {
    document.title = `${title} – Smart AI Hub`;
  }, [title]);
}

function Onwards({ label }) {
  return html`<a class="button button-main" href="/" data-test="onwards">${label}</a>`;
}

function Reset() {
  const [done, setDone] = useState(false);
  useTitle("Set a new password");
  const form = {
    submit: "Set password",
    send: ({ newPassword }) => resetPassword(query.get("token") ?? "", newPassword).then(() => setDone(true)),
    fields: [
      {
        name: "newPassword",
        label: "New password",
        type: "password",
        autocomplete: "new-password",
        test: "new-password",
        missing: "Enter a new password.",
        hint: "At least 8 characters.",
      },
    ],
  };
  return html`<${AuthCard} title="Set a new password">
    ${
      done
        ? html`<p role="status" data-test="form-done">Your password is changed, and every login has been ended.</p>
            <${Onwards} label="Sign in" />`
        : html`<${AuthForm} form=${form} />`
    }
  <//>`;
}

/** Runs `work` once and says what has become of it. */
function Working({ title, work, doing, done, label }) {
  const [state, setState] = useState({ name: "busy", text: doing });
  useTitle(title);
  useEffect(() => {
    work().then(
      () => setState({ name: "done", text: done }),
      (error) => setState({ name: "failed", text: error.message }),
    );
  }, []);
  const look = state.name === "failed" ? "notice notice-bad" : "";
  return html`<${AuthCard} title=${title}>
    <p class=${look} role=${state.name === "failed" ? "alert" : "status"} data-test="link-state" data-state=${state.name}>
      ${state.text}
    </p>
    ${state.name !== "busy" && html`<${Onwards} label=${label} />`}
  <//>`;
}

function Verify() {
  const work = () => verifyEmail(query.get("token") ?? "");
  const words = { doing: "One moment…", done: "Your e-mail address is confirmed.", label: "Go on" };
  return html`<${Working} title="Confirm your e-mail address" work=${work} ...${words} />`;
}

/** Exchanges the code for a login, whose cookie the conversation's page then has. */
async function arrive(second) {
  const error = query.get("error");
  if (error) throw new Error(REFUSED[error] ?? TRY_LATER);
  await exchangeCode(query.get("code") ?? "", second);
  location.replace("/");
}

/** Who has a second factor shows it here; the sign-in waits a few minutes for it. */
function Callback() {
  const [asked, setAsked] = useState(false);
  const work = () =>
    arrive().catch((error) => {
      setAsked(Boolean(error.fields?.two_factor_code));
      throw error;
    });
  const words = { doing: "Signing you in…", done: "You are signed in.", label: "Back to the sign-in" };
  if (!asked) return html`<${Working} title=${BY_GOOGLE} work=${work} ...${words} />`;
  return html`<${AuthCard} title=${BY_GOOGLE}>
    <${AuthForm} form=${SECOND} />
    <p class="auth-switch"><a class="link" href="/">${words.label}</a></p>
  <//>`;
}
