/** Says when the connection is lost, when it is back, and why it will not come back by itself. Empty while all is well. */

import { html } from "htm/preact";

import { reconnect, retryNow } from "../js/hub.js";
import { link } from "../js/state.js";

const TEXT = {
  lost: "Connection lost. Reconnecting… What you write and what is being answered is kept.",
  regained: "Connected again.",
};

export function StatusBanner() {
  const { name, reason } = link.value;
  const text = reason ?? TEXT[name];
  const action = { lost: retryNow, stopped: reconnect }[name];
  return html`<div class="status" role="status" data-test="status" data-state=${name}>
    ${text && html`<div class="status-line">
      <span class="status-dot"></span><span>${text}</span>
      ${action && html`<button type="button" class="link" onClick=${action}>${name === "lost" ? "Try now" : "Reconnect"}</button>`}
    </div>`}
  </div>`;
}
