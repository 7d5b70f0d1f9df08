/** The turns of one conversation. It follows the end only while the reader is at the end. */

import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { copyText } from "../js/copy.js";
import { loadMessages, newConversation } from "../js/conversations.js";
import { user } from "../js/state.js";
import { IconButton } from "./controls.js";
import { ArrowDown } from "./icons.js";
import { Message } from "./message.js";

const NEAR_END_PX = 60;
const COPIED_MS = 1_500;

export function Thread({ opened }) {
  const scroller = useRef(null);
  const list = opened.messages.value;
  const [atEnd, toEnd] = useStickyEnd(scroller, list.length);
  return html`<main class="thread" ref=${scroller} tabindex="-1" aria-label="Conversation" onClick=${copyCode}>
    <div class="thread-inner">
      <${Phase} opened=${opened} empty=${list.length === 0} />
      ${list.map((message) => html`<${Message} key=${message.key} message=${message} last=${message === list.at(-1)} />`)}
    </div>
    ${!atEnd && html`<${IconButton} icon=${ArrowDown} label="To the latest message" extra="to-end" onClick=${toEnd} />`}
  </main>`;
}

function Phase({ opened, empty }) {
  const phase = opened.phase.value;
  if (phase === "failed" || phase === "gone") {
    const [label, act] =
      phase === "gone" ? ["New conversation", newConversation] : ["Try again", () => loadMessages(opened)];
    return html`<div class="thread-empty"><p>${opened.problem.value}</p>
      <button type="button" class="button" onClick=${act}>${label}</button></div>`;
  }
  if (!empty) return null;
  if (phase !== "ready") return html`<div class="thread-empty"><p class="late">Loading…</p></div>`;
  const name = user.value?.first_name;
  return html`<div class="thread-empty" data-test="empty">
    <h1>${name ? `Hello, ${name}.` : "Hello."}</h1>
    <p>Ask anything. What an answer costs shows while it is written, and you can stop it at any time.</p>
  </div>`;
}

function useStickyEnd(scroller, turns) {
  const [atEnd, setAtEnd] = useState(true);
  const sticky = useRef(true);
  const seen = useRef(turns);
  const toEnd = () => scroller.current.scrollTo({ top: scroller.current.scrollHeight });

  useEffect(() => {
    const element = scroller.current;
    let top = element.scrollTop;
    // Only a move upwards leaves the end: text that grew faster than the scrolling is no wish of the reader's.
    const scrolled = () => {
      const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
      sticky.current = near || (sticky.current && element.scrollTop >= top);
      top = element.scrollTop;
      setAtEnd(sticky.current);
    };
    const grown = new ResizeObserver(() => (sticky.current ? toEnd() : scrolled()));
    element.addEventListener("scroll", scrolled, { passive: true });
    grown.observe(element);
    grown.observe(element.firstElementChild);
    return () => {
      element.removeEventListener("scroll", scrolled);
      grown.disconnect();
    };
  }, []);

  // A question just asked is where its writer wants to be, wherever they were reading.
  useLayoutEffect(() => {
    if (turns > seen.current) {
      sticky.current = true;
      toEnd();
    }
    seen.current = turns;
  }, [turns]);
  return [atEnd, toEnd];
}

/** Code blocks come as HTML, so their copy buttons are answered here. */
async function copyCode(event) {
  const button = event.target.closest?.("[data-copy=code]");
  if (!button) return;
  await copyText(button.closest(".code").querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
}
