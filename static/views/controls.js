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

/** Fetches the next page of a list; where that fails the button stays, to be pressed again. */
export function Older({ load }) {
  return html`<button type="button" class="more" onClick=${() => load().catch(() => {})}>Older</button>`;
}
