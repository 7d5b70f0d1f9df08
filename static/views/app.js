/** Which page stands: what a link leads to, still finding out, signed out, or the conversation. */

import { html } from "htm/preact";

import { loginState } from "../js/state.js";
import { Announcer, Splash } from "./app-parts.js";
import { Auth } from "./auth.js";
import { linkView } from "./links.js";
import { Shell } from "./shell.js";

export function App() {
  const view = linkView ?? { starting: Splash, out: Auth, in: Shell }[loginState.value];
  return html`<${view} /><${Announcer} />`;
}
