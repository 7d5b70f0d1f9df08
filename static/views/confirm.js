/** Asks before something cannot be undone. The browser's own dialog keeps the focus inside and closes by Escape. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Confirm({ title, text, action, onConfirm, onClose }) {
  const dialog = useRef(null);
  const [problem, setProblem] = useState("");
  useEffect(() => dialog.current.showModal(), []);
  const confirm = () =>
    onConfirm().then(
      () => dialog.current?.close(),
      (error) => setProblem(error.message),
    );
  const keepKey = (event) => event.key === "Escape" && event.stopPropagation();
  return html`<dialog ref=${dialog} class="confirm" aria-labelledby="confirm-title" onClose=${onClose} onKeyDown=${keepKey}>
    <h2 id="confirm-title">${title}</h2>
    <p>${text}</p>
    ${problem && html`<p class="field-bad" role="alert">${problem}</p>`}
    <div class="confirm-buttons">
      <button type="button" class="button" onClick=${() => dialog.current.close()}>Cancel</button>
      <button type="button" class="button button-danger" data-test="confirm" onClick=${confirm}>${action}</button>
    </div>
  </dialog>`;
}
