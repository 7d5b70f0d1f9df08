/** What both pages have around their content: the wait for the hub, and the voice of the screen reader. */

import { html } from "htm/preact";

import { reconnect, retryNow } from "../js/hub.js";
import { announcement, link } from "../js/state.js";
import { Logo } from "./icons.js";

export function Splash() {
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

/** One polite voice for what happens; tokens are never announced one by one. */
export function Announcer() {
  return html`<div class="visually-hidden" aria-live="polite">${announcement.value}</div>`;
}
