/** Which model answers, with prices side by side: a button and a listbox. */

import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";

import { chooseModel } from "../js/account.js";
import { perMillion } from "../js/format.js";
import { chosenModel, modelId, models } from "../js/state.js";
import { Check, Chevron } from "./icons.js";
import { usePopover } from "./popover.js";

const usable = (model) => model.available !== false;

export function ModelPicker() {
  const [open, setOpen, root, trigger] = usePopover();
  const model = chosenModel.value;
  function choose(id) {
    chooseModel(id);
    setOpen(false);
    trigger.current.focus();
  }
  return html`<div class="picker" ref=${root}>
    <button type="button" class="picker-button" ref=${trigger} data-test="model" aria-haspopup="listbox" aria-expanded=${open}
      onClick=${() => setOpen(!open)}
      onKeyDown=${(event) => event.key === "ArrowDown" && !open && (event.preventDefault(), setOpen(true))}>
      <span class="visually-hidden">Model: </span><span class="picker-name">${model?.name ?? "Choose a model"}</span><${Chevron} />
    </button>
    ${open && html`<div class="panel picker-panel">
      <p class="panel-note">Credits per million tokens</p>
      <${Options} onChoose=${choose} />
    </div>`}
  </div>`;
}

function Options({ onChoose }) {
  const list = useRef(null);
  const options = () => [...list.current.querySelectorAll("[role=option]:not([aria-disabled=true])")];
  useEffect(() => (list.current.querySelector("[aria-selected=true]") ?? options()[0])?.focus(), []);

  function move(event) {
    const all = options();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key] ?? typed(all, at, event);
    if (to === undefined) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  }

  return html`<ul class="picker-list" role="listbox" aria-label="Models" ref=${list} onKeyDown=${move}>
    ${models.value.map((model) => html`<${Option} key=${model.id} model=${model} onChoose=${onChoose} />`)}
  </ul>`;
}

/** A letter goes to the next model that begins with it. */
function typed(all, at, event) {
  if (event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey) return undefined;
  const order = [...all.slice(at + 1), ...all.slice(0, at + 1)];
  const hit = order.find((option) => option.dataset.name.startsWith(event.key.toLowerCase()));
  return hit ? all.indexOf(hit) : undefined;
}

function Option({ model, onChoose }) {
  const chosen = model.id === modelId.value;
  const choose = () => usable(model) && onChoose(model.id);
  const pressed = (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), choose());
  return html`<li role="option" tabindex="-1" class="option" data-test="model-option" data-model=${model.id} data-name=${model.name.toLowerCase()}
    aria-selected=${chosen} aria-disabled=${!usable(model)} onClick=${choose} onKeyDown=${pressed}>
    <span class="option-mark">${chosen && html`<${Check} />`}</span>
    <span class="option-text">
      <span class="option-name">${model.name}
        ${model.sandbox && html`<span class="tag" title="Answered by the built-in sandbox, not by the provider">sandbox</span>`}
        ${!usable(model) && html`<span class="tag">unavailable</span>`}
      </span>
      <span class="option-more">${model.provider}${model.description ? ` · ${model.description}` : ""}</span>
    </span>
    <span class="option-price" data-test="model-price">
      <span><span class="visually-hidden">input </span>${perMillion(model.pricing.inputTokens)}<small> in</small></span>
      <span><span class="visually-hidden">output </span>${perMillion(model.pricing.outputTokens)}<small> out</small></span>
    </span>
  </li>`;
}
