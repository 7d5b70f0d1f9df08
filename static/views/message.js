/** One turn: the question in a quiet bubble, the answer as a page of text with what it cost beneath. */

import { html } from "htm/preact";
import { useState } from "preact/hooks";

import { again } from "../js/chat.js";
import { copyText } from "../js/copy.js";
import { exactCredits } from "../js/format.js";
import { rate } from "../js/ratings.js";
import { models } from "../js/state.js";
import { IconButton, LinkButton } from "./controls.js";
import { Again, Check, Copy, ThumbDown, ThumbUp } from "./icons.js";
import { MarkdownView } from "./markdown-view.js";
import { Receipt, ReceiptButton } from "./receipt.js";

const COPIED_MS = 1_500;
const OUT_OF_CREDITS =
  "Your credits ran out, so the answer ends here. Nothing beyond your balance was charged. " +
  "Once credits are added, you can go on.";
const NO_CREDITS =
  "Your credits do not suffice for this question, so it was not asked and nothing was charged. " +
  "Add credits, or choose a cheaper model.";

export function Message({ message, last }) {
  const status = message.status.value;
  const mine = message.role === "user";
  const marks = { "data-test": "message", "data-role": message.role, "data-status": status };
  const spoken = { "aria-label": mine ? "You" : "Answer", "aria-busy": status === "streaming" };
  return html`<article class=${mine ? "message mine" : "message answer"} ...${marks} ...${spoken}>
    ${
      mine
        ? html`<div class="bubble" data-test="content">${message.content.value}</div>`
        : html`<${Answer} message=${message} last=${last} />`
    }
  </article>`;
}

function Answer({ message, last }) {
  const status = message.status.value;
  const text = message.content.value;
  const running = status === "streaming" || status === "sending";
  return html`
    ${text ? html`<${MarkdownView} text=${text} streaming=${running} />` : running && html`<${Waiting} />`}
    <${Ending} message=${message} last=${last} />
    ${running ? html`<${Running} message=${message} />` : html`<${Footer} message=${message} />`}
  `;
}

const Waiting = () => html`<p class="waiting" aria-hidden="true"><i></i><i></i><i></i></p>`;

/** Why an answer is shorter than it might be, in words. */
function endingOf(message) {
  const { reason, detail } = message.finish.value;
  const error = message.error.value;
  const status = message.status.value;
  if (detail === "insufficient_credits") return ["warn", OUT_OF_CREDITS];
  if (status === "failed" && error?.code === "INSUFFICIENT_CREDITS") return ["warn", NO_CREDITS];
  if (status === "failed") return ["bad", `The answer failed. ${error?.message ?? ""}`];
  if (status === "interrupted")
    return ["warn", "The answer was interrupted. What had arrived is kept, and only that is charged."];
  if (status === "stopped") return ["", "You stopped this answer."];
  if (reason === "length") return ["", "The answer reached its length limit."];
  if (reason === "content_filter") return ["warn", "The provider's content filter ended this answer."];
  return null;
}

function Ending({ message, last }) {
  const ending = endingOf(message);
  if (!ending) return null;
  const [tone, text] = ending;
  const retry = last && ["failed", "interrupted"].includes(message.status.value);
  return html`<div class=${`ending ${tone && `ending-${tone}`}`} data-test="ending">
    <span>${text}</span>
    ${retry && html`<${LinkButton} test="again" onClick=${() => again(message)}><${Again} />Ask again<//>`}
  </div>`;
}

function Running({ message }) {
  const cost = message.cost.value;
  const text = cost > 0 ? `${exactCredits(cost)} credits so far` : "\u00a0"; // the space keeps the line's height
  return html`<footer class="message-foot" data-test="cost">${text}</footer>`;
}

function Footer({ message }) {
  const [open, setOpen] = useState(false);
  const name = models.value.find((model) => model.id === message.model)?.name ?? message.model;
  if (!message.content.value && !message.receipt.value) return null;
  return html`
    <footer class="message-foot">
      ${message.content.value && html`<${CopyButton} text=${message.content.value} /><${Rating} message=${message} />`}
      <${ReceiptButton} message=${message} open=${open} onToggle=${() => setOpen(!open)} />
      <span class="message-model">${name}</span>
    </footer>
    ${open && html`<${Receipt} message=${message} />`}
  `;
}

/** Two buttons of which one may be pressed; pressed again it is so no more. */
function Rating({ message }) {
  if (!message.id && !message.streamId) return null; // the hub has not heard of it
  const button = (icon, wish, label) => {
    const state = { test: `rate-${wish}`, "aria-pressed": message.rating.value === wish };
    return html`<${IconButton} icon=${icon} label=${label} ...${state} onClick=${() => rate(message, wish)} />`;
  };
  return html`<span class="rating" role="group" aria-label="Rate this answer">
    ${button(ThumbUp, "up", "Good answer")}${button(ThumbDown, "down", "Bad answer")}
  </span>`;
}

function CopyButton({ text }) {
  const [copied, setCopied] = useState(false);
  async function copy() {
    await copyText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  }
  const label = copied ? "Copied" : "Copy the answer";
  return html`<${IconButton} icon=${copied ? Check : Copy} label=${label} onClick=${copy} />`;
}
