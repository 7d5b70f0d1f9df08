/** What an answer cost, to the micro-credit, and how that was settled. */

import { html } from "htm/preact";

import { count, exactCredits } from "../js/format.js";

const SOURCES = {
  provider: "as counted by the provider",
  counted: "as counted by the hub",
  estimated: "as estimated by the hub",
};

/** Both spellings exist: the providers' own, and the hub's. */
function tokens(usage) {
  const input = usage?.prompt_tokens ?? usage?.promptTokens ?? usage?.input_tokens;
  const output = usage?.completion_tokens ?? usage?.completionTokens ?? usage?.output_tokens;
  return input === undefined || output === undefined ? null : [input, output];
}

function rowsOf(message) {
  const receipt = message.receipt.value;
  const used = tokens(message.usage.value);
  return [
    ["Held at most", exactCredits(receipt.hold)],
    ["Charged", exactCredits(receipt.charged)],
    ["Released", exactCredits(receipt.released)],
    ["Balance after", exactCredits(receipt.balance_after)],
    used && ["Tokens", `${count(used[0], "in", "in")}, ${count(used[1], "out", "out")}`],
    ["Usage", SOURCES[receipt.usage_source] ?? receipt.usage_source],
    ["Wallet entry", `No. ${receipt.seq}`],
  ].filter(Boolean);
}

export function ReceiptButton({ message, open, onToggle }) {
  const receipt = message.receipt.value;
  if (!receipt) return null;
  const names = { "data-test": "receipt", "aria-expanded": open, title: "Show the receipt" };
  return html`<button type="button" class="receipt-button" ...${names} onClick=${onToggle}>
    ${exactCredits(receipt.charged)} credits
  </button>`;
}

export function Receipt({ message }) {
  const rows = rowsOf(message).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<dl class="receipt" data-test="receipt-rows" aria-label="Receipt">${rows}</dl>`;
}
