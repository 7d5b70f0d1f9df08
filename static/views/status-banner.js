/** Says when the connection is lost, when it is back, and why it will not come back. Empty while all is well. */

import { html } from "htm/preact";

import { reconnect, retryNow } from "../js/hub.js";
import { link } from "../js/state.js";
import { LinkButton } from "./controls.js";

const TEXT = {
  lost: "Connection lost. Reconnecting…",
  regained: "Connected again.",
};

export function StatusBanner() {
  const { name, reason } = link.value;
  const text = reason ?? TEXT[name];
  const action = { lost: retryNow, stopped: reconnect }[name];
  return html`<div class="status" role="status" data-test="status" data-state=${name}>
    ${
      text &&
      html`<div class="status-line">
      <span class="status-dot"></span><span>${text}</span>
      ${action && html`<${LinkButton} onClick=${action}>${name === "lost" ? "Try now" : "Reconnect"}<//>`}
    </div>`
    }
  </div>`;
}
