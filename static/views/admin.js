/** Which of four pages stands: still finding out, signed out, not an administrator, or the monitor. */

import { html } from "htm/preact";

import { isAdministrator } from "../js/admin-feed.js";
import { loginState, user } from "../js/state.js";
import { AdminShell } from "./admin-shell.js";
import { Announcer, Splash } from "./app-parts.js";
import { Auth } from "./auth.js";
import { Logo } from "./icons.js";

function Refused() {
  return html`<main class="splash" data-test="refused">
    <${Logo} />
    <h1 class="refused-title">For administrators only</h1>
    <p>${user.value.email} is not an administrator of this hub.</p>
    <a class="button" href="/">Go to your conversations</a>
  </main>`;
}

function Monitor() {
  return isAdministrator.value ? html`<${AdminShell} />` : html`<${Refused} />`;
}

export function AdminApp() {
  const view = { starting: Splash, out: Auth, in: Monitor }[loginState.value];
  return html`<${view} /><${Announcer} />`;
}
