/** Small controls that many views use. */

import { html } from "htm/preact";

/** A button that is only an icon: its name is spoken, and shown when the pointer rests on it. */
export function IconButton({ icon, label, hint = label, test, elementRef, extra, onClick, ...rest }) {
  const look = extra ? `icon-button ${extra}` : "icon-button";
  const names = { "data-test": test, "aria-label": label, title: hint };
  return html`<button type="button" class=${look} ref=${elementRef} ...${names} ...${rest} onClick=${onClick}>
    <${icon} />
  </button>`;
}

/** A button that reads as a link, for small actions within text. */
export function LinkButton({ test, onClick, children }) {
  return html`<button type="button" class="link" data-test=${test} onClick=${onClick}>${children}</button>`;
}

/** A line that is on or off; one that is not usable stays in the order of the focus, so that its hint is read. */
export function Switch({ test, on, usable = true, hint, onToggle, children }) {
  const state = { "aria-checked": on, "aria-disabled": !usable, "aria-describedby": hint };
  const toggle = () => usable && onToggle(!on);
  return html`<button type="button" class="switch" role="switch" data-test=${test} ...${state} onClick=${toggle}>
    <span>${children}</span><span class="switch-track" aria-hidden="true"></span>
  </button>`;
}

/** Fetches the next page of a list; where that fails the button stays, to be pressed again. */
export function Older({ load }) {
  return html`<button type="button" class="more" onClick=${() => load().catch(() => {})}>Older</button>`;
}
