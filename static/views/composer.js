/** Where the reader writes. Enter sends, Shift+Enter begins a new line, Escape stops the running answer. */

import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

import { send, stop } from "../js/chat.js";
import { chosenModel, link, modelId, thread } from "../js/state.js";
import { forget, recall, remember } from "../js/storage.js";
import { IconButton } from "./controls.js";
import { ArrowUp, Stop } from "./icons.js";
import { ProjectPicker } from "./project-picker.js";

const DRAFT_KEY = "hub.draft";
const perTab = () => sessionStorage;
const WAITING = "Your question will be sent when the connection is back.";
const CAUTION = "Models make mistakes. Check what matters.";
const HEIGHT_MAX_PX = 240;

export function Composer({ inputRef, running }) {
  const [text, setText] = useState(() => recall(DRAFT_KEY, perTab) ?? "");
  const answer = running.value;
  const [wanted, setWanted] = useState(false);
  const loaded = modelId.value && thread.value.phase.value === "ready";
  const ready = Boolean(text.trim() && loaded && !answer);

  // Before the paint, so that a panel which the address opens has the focus after it and keeps it.
  useLayoutEffect(() => inputRef.current.focus({ preventScroll: true }), [thread.value]);
  useLayoutEffect(() => {
    const { style } = inputRef.current;
    style.height = "auto";
    style.height = `${Math.min(inputRef.current.scrollHeight, HEIGHT_MAX_PX)}px`;
  }, [text]);

  // Who presses Enter before the models have come need not press it again.
  useEffect(() => {
    if (wanted && ready) ask();
  }, [wanted, ready]);

  function write(value) {
    setText(value);
    setWanted(false);
    if (value) remember(DRAFT_KEY, value, perTab);
    else forget(DRAFT_KEY, perTab);
  }

  function ask() {
    send(text.trim());
    write("");
    inputRef.current.focus();
  }

  function submit(event) {
    event.preventDefault();
    if (ready) ask();
    else setWanted(!loaded);
  }

  function pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  }

  function stopNow() {
    stop(answer);
    inputRef.current.focus(); // the button goes; the focus must not go with it
  }

  const waiting = link.value.name === "lost" && answer?.status.value === "sending";
  return html`<form class="composer" onSubmit=${submit}>
    <${ProjectPicker} />
    <div class="composer-box">
      <label class="visually-hidden" for="composer">Message</label>
      <textarea
        id="composer"
        ref=${inputRef}
        data-test="composer"
        rows="1"
        enterkeyhint="send"
        autocomplete="off"
        placeholder=${chosenModel.value ? `Message ${chosenModel.value.name}` : "Message"}
        value=${text}
        onInput=${(event) => write(event.currentTarget.value)}
        onKeyDown=${pressed}
      ></textarea>
      ${answer ? html`<${StopButton} onClick=${stopNow} />` : html`<${SendButton} ready=${ready} />`}
    </div>
    <p class="composer-note">${waiting ? WAITING : CAUTION}</p>
  </form>`;
}

const StopButton = ({ onClick }) => {
  const names = { label: "Stop the answer", hint: "Stop (Esc)", test: "stop" };
  return html`<${IconButton} icon=${Stop} ...${names} extra="round stop" onClick=${onClick} />`;
};

const SendButton = ({ ready }) => html`<button
  type="submit"
  class="icon-button round"
  data-test="send"
  aria-label="Send"
  title="Send (Enter)"
  aria-disabled=${!ready}
>
  <${ArrowUp} />
</button>`;
