/** The highlighter is fetched with the first code block: most conversations open without one. */

import { signal } from "@preact/signals";

const LENGTH_MAX = 50_000; // beyond it, colouring would cost more than it helps

export const highlighter = signal(null);
let fetching = null;

/** HTML of the coloured code, or null where there is no highlighter (yet) or the language is unknown. */
export function highlighted(code, language) {
  const hljs = highlighter.value;
  if (!hljs) {
    fetching ??= import("highlight.js").then(
      (module) => (highlighter.value = module.default),
      () => (fetching = null),
    );
    return null;
  }
  if (code.length > LENGTH_MAX || !hljs.getLanguage(language)) return null;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
