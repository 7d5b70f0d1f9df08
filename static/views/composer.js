/** Where the reader writes. Enter sends, Shift+Enter begins a new line, Escape stops the running answer. */

import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

import { send, stop } from "../js/chat.js";
import { chosenModel, link, modelId, thread } from "../js/state.js";
import { forget, recall, remember } from "../js/storage.js";
import { ArrowUp, Stop } from "./icons.js";

const DRAFT_KEY = "hub.draft";
const perTab = () => sessionStorage;
const HEIGHT_MAX_PX = 240;

export function Composer({ inputRef, running }) {
  const [text, setText] = useState(() => recall(DRAFT_KEY, perTab) ?? "");
  const answer = running.value;
  const ready = text.trim() && modelId.value && !answer && thread.value.phase.value === "ready";

  useEffect(() => inputRef.current.focus({ preventScroll: true }), [thread.value]);
  useLayoutEffect(() => {
    const { style } = inputRef.current;
    style.height = "auto";
    style.height = `${Math.min(inputRef.current.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text]);

  function write(value) {
    setText(value);
    if (value) remember(DRAFT_KEY, value, perTab);
    else forget(DRAFT_KEY, perTab);
  }

  function submit(event) {
    event.preventDefault();
    if (!ready) return;
    send(text.trim());
    write("");
    inputRef.current.focus();
  }

  function pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  }

  function stopNow() {
    stop(answer);
    inputRef.current.focus(); // the button goes; the focus must not go with it
  }

  return html`<form class="composer" onSubmit=${submit}>
    <div class="composer-box">
      <label class="visually-hidden" for="composer">Message</label>
      <textarea id="composer" ref=${inputRef} data-test="composer" rows="1" value=${text} enterkeyhint="send" autocomplete="off"
        placeholder=${chosenModel.value ? `Message ${chosenModel.value.name}` : "Message"}
        onInput=${(event) => write(event.currentTarget.value)} onKeyDown=${pressed}></textarea>
      ${answer
        ? html`<button type="button" key="stop" class="round stop" data-test="stop" aria-label="Stop the answer" title="Stop (Esc)" onClick=${stopNow}><${Stop} /></button>`
        : html`<button type="submit" key="send" class="round" data-test="send" aria-label="Send" title="Send (Enter)" aria-disabled=${!ready}><${ArrowUp} /></button>`}
    </div>
    <p class="composer-note">
      ${link.value.name === "lost" && answer?.status.value === "sending" ? "Your question will be sent when the connection is back." : "Models make mistakes. Check what matters."}
    </p>
  </form>`;
}
