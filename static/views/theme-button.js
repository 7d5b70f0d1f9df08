/** Switches between light and dark. */

import { html } from "htm/preact";

import { theme, toggleTheme } from "../js/theme.js";
import { Moon, Sun } from "./icons.js";

export function ThemeButton() {
  const dark = theme.value === "dark";
  const label = dark ? "Use the light theme" : "Use the dark theme";
  return html`<button type="button" class="icon-button" data-test="theme" aria-label=${label} title=${label} onClick=${toggleTheme}>
    ${dark ? html`<${Sun} />` : html`<${Moon} />`}
  </button>`;
}
