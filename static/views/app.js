/** Which of three pages stands: still finding out, signed out, or the conversation. */

import { html } from "htm/preact";

import { announcement, link, session } from "../js/state.js";
import { reconnect, retryNow } from "../js/hub.js";
import { Auth } from "./auth.js";
import { Logo } from "./icons.js";
import { Shell } from "./shell.js";

function Splash() {
  const { name, tried, reason } = link.value;
  const stopped = name === "stopped";
  return html`<main class="splash">
    <${Logo} />
    <p
      class=${tried || stopped ? "" : "late"}
      role="status"
      data-test="status"
      data-state=${stopped ? "stopped" : "connecting"}
    >
      ${stopped ? reason : tried ? "The hub cannot be reached. Trying again…" : "Connecting…"}
    </p>
    ${
      (tried || stopped) &&
      html`<button type="button" class="button" onClick=${stopped ? reconnect : retryNow}>Try now</button>`
    }
  </main>`;
}

export function App() {
  const view = { starting: Splash, out: Auth, in: Shell }[session.value];
  return html`<${view} /><${Announcer} />`;
}

/** One polite voice for what happens; tokens are never announced one by one. */
function Announcer() {
  return html`<div class="visually-hidden" aria-live="polite">${announcement.value}</div>`;
}
