/** Light or dark: the system's preference, until the reader chooses the other one by hand. */

import { signal } from "@preact/signals";

import { forget, remember } from "./storage.js";

const KEY = "hub.theme";
const systemDark = matchMedia("(prefers-color-scheme: dark)");

const current = () => document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light");

export const theme = signal(current());

systemDark.addEventListener("change", () => (theme.value = current()));

/** Switches; a choice equal to the system's is not kept, so that the page goes on following the system. */
export function toggleTheme() {
  const chosen = theme.value === "dark" ? "light" : "dark";
  const system = systemDark.matches ? "dark" : "light";
  if (chosen === system) {
    delete document.documentElement.dataset.theme;
    forget(KEY);
  } else {
    document.documentElement.dataset.theme = chosen;
    remember(KEY, chosen);
  }
  theme.value = chosen;
}
