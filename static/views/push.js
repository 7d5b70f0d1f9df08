/** The switch for notifications while no page is open, with what stands in its way. */

import { html } from "htm/preact";
import { useEffect } from "preact/hooks";

import { look, turnOff, turnOn } from "../js/push.js";
import { push } from "../js/state.js";
import { Switch } from "./controls.js";

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
  const toggle = (on) => (on ? turnOn() : turnOff());
  return html`<div class="push" data-test="push" data-state=${name}>
    <${Switch} test="push-switch" on=${name === "on"} usable=${usable} hint="push-hint" onToggle=${toggle}>
      Notify me in this browser
    <//>
    <p class="push-hint" id="push-hint" data-test="push-hint">${HINT[name]}</p>
    ${problem && html`<p class="push-hint field-bad" role="alert" data-test="push-problem">${problem}</p>`}
  </div>`;
}
