/** The switch for notifications while no page is open, with what stands in its way. */

import { html } from "htm/preact";
import { useEffect } from "preact/hooks";

import { look, turnOff, turnOn } from "../js/push.js";
import { push } from "../js/state.js";

const HINT = {
  unsupported: "This browser cannot notify you while the page is closed.",
  blocked:
    "Notifications from this page are blocked. Allow them in the browser's settings for this site, " +
    "beside the address, and open this panel again.",
  off: "Also while this page is closed.",
  on: "Also while this page is closed, until you sign out.",
};

export function PushSwitch() {
  useEffect(() => void look(), []);
  const { name, busy, problem } = push.value;
  const usable = (name === "on" || name === "off") && !busy;
  const state = { "aria-checked": name === "on", "aria-disabled": !usable, "aria-describedby": "push-hint" };
  const toggle = () => usable && (name === "on" ? turnOff() : turnOn());
  return html`<div class="push" data-test="push" data-state=${name}>
    <button type="button" class="switch" role="switch" data-test="push-switch" ...${state} onClick=${toggle}>
      <span>Notify me in this browser</span><span class="switch-track" aria-hidden="true"></span>
    </button>
    <p class="push-hint" id="push-hint" data-test="push-hint">${HINT[name]}</p>
    ${problem && html`<p class="push-hint field-bad" role="alert" data-test="push-problem">${problem}</p>`}
  </div>`;
}
