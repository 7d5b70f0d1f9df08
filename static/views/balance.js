/** What is left, moving while answers run, and what is held for them. Not spoken: the receipt is. */

import { html } from "htm/preact";

import { credits, exactCredits } from "../js/format.js";
import { shownCredits, wallet } from "../js/state.js";

export function Balance() {
  const left = shownCredits.value;
  if (left === null) return html`<div class="balance"></div>`;
  const held = wallet.value.credits_held;
  const low = left <= 0;
  return html`<div class=${low ? "balance balance-out" : "balance"} title=${`${exactCredits(left)} credits left`}>
    <span class="balance-left">
      <span class="visually-hidden">Balance: </span>
      <b data-test="balance">${credits(left)}</b>${" "}<span class="unit">credits</span>
    </span>
    <span class="balance-held" data-test="held" title="Set aside for running answers; what is not used comes back">
      ${held > 0 ? `${exactCredits(held)} held` : ""}
    </span>
  </div>`;
}
