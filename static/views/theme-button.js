/** Switches between light and dark. */

import { html } from "htm/preact";

import { theme, toggleTheme } from "../js/theme.js";
import { IconButton } from "./controls.js";
import { Moon, Sun } from "./icons.js";

export function ThemeButton() {
  const dark = theme.value === "dark";
  const label = dark ? "Use the light theme" : "Use the dark theme";
  return html`<${IconButton} icon=${dark ? Sun : Moon} label=${label} test="theme" onClick=${toggleTheme} />`;
}
