/** Banners of what administrators tell everybody, each to be put away by its reader. */

import { html } from "htm/preact";

import { dismiss } from "../js/announcements.js";
import { announcements } from "../js/state.js";
import { IconButton } from "./controls.js";
import { Close } from "./icons.js";

const LABEL = { info: "Announcement", warning: "Warning", critical: "Important" };

export function Announcements() {
  return html`<div class="announcements">
    ${announcements.value.map((one) => html`<${Banner} key=${one.id} one=${one} />`)}
  </div>`;
}

function Banner({ one }) {
  return html`<section class="banner" data-test="announcement" data-level=${one.level} aria-label=${LABEL[one.level]}>
    <p><b>${one.title}</b> <span>${one.message}</span></p>
    <${IconButton} icon=${Close} label=${`Dismiss: ${one.title}`} test="dismiss" onClick=${() => dismiss(one.id)} />
  </section>`;
}
