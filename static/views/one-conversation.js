/** One conversation's title, to be changed, and the conversation as a file. */

import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";

import { exportAddress } from "../js/api.js";
import { rename } from "../js/conversations.js";
import { AuthForm } from "./auth.js";
import { IconButton } from "./controls.js";
import { Close } from "./icons.js";

const TITLE = { name: "title", label: "Title", type: "text", autocomplete: "off", test: "title", missing: "Enter a title." };

export function OneConversation({ known, onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  const close = () => dialog.current.close();
  const form = {
    submit: "Rename",
    send: ({ title }) => rename(known.id, title).then(close),
    fields: [{ ...TITLE, capitals: "sentences", initial: known.title }],
  };
  const keepKey = (event) => event.key === "Escape" && event.stopPropagation();
  const names = { "aria-labelledby": "conversation-title", "data-test": "conversation-view" };
  return html`<dialog ref=${dialog} class="confirm one-conversation" ...${names} onClose=${onClose} onKeyDown=${keepKey}>
    <div class="dialog-head">
      <h2 id="conversation-title">Conversation</h2>
      <${IconButton} icon=${Close} label="Close" onClick=${close} />
    </div>
    <${AuthForm} form=${form} />
    <div class="exports">
      <a class="button" data-test="export-markdown" download href=${exportAddress(known.id, "markdown")}>Save as Markdown</a>
      <a class="button" data-test="export-json" download href=${exportAddress(known.id, "json")}>Save as JSON</a>
    </div>
  </dialog>`;
}
