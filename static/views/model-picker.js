/** Which model answers, with prices side by side: a button and a listbox. */

import { html } from "htm/preact";
import { useLayoutEffect, useRef } from "preact/hooks";

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
  const byArrow = (event) => event.key === "ArrowDown" && !open && (event.preventDefault(), setOpen(true));
  const state = { "aria-haspopup": "listbox", "aria-expanded": open, "data-test": "model" };
  const press = { onClick: () => setOpen(!open), onKeyDown: byArrow };
  return html`<div class="picker" ref=${root}>
    <button type="button" class="picker-button" ref=${trigger} ...${state} ...${press}>
      <span class="visually-hidden">Model: </span>
      <span class="picker-name">${model?.name ?? "Choose a model"}</span>
      <${Chevron} />
    </button>
    ${
      open &&
      html`<div class="panel picker-panel">
      <p class="panel-note">Credits per million tokens</p>
      <${Options} onChoose=${choose} />
    </div>`
    }
  </div>`;
}

function Options({ onChoose }) {
  const list = useRef(null);
  const options = (element) => [...element.querySelectorAll("[role=option]:not([aria-disabled=true])")];
  useLayoutEffect(() => (list.current.querySelector("[aria-selected=true]") ?? options(list.current)[0])?.focus(), []);

  function move(event) {
    const all = options(event.currentTarget);
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
  const marks = { "data-test": "model-option", "data-model": model.id, "data-name": model.name.toLowerCase() };
  const state = { "aria-selected": chosen, "aria-disabled": !usable(model) };
  return html`<li
    role="option"
    tabindex="-1"
    class="option"
    ...${marks}
    ...${state}
    onClick=${choose}
    onKeyDown=${pressed}
  >
    <span class="option-mark">${chosen && html`<${Check} />`}</span>
    <span class="option-text">
      <span class="option-name">${model.name} <${Tags} model=${model} /></span>
      <span class="option-more">${[model.provider, model.description].filter(Boolean).join(" · ")}</span>
    </span>
    <span class="option-price" data-test="model-price">
      <${Price} spoken="input " price=${model.pricing.inputTokens} unit="in" />
      <${Price} spoken="output " price=${model.pricing.outputTokens} unit="out" />
    </span>
  </li>`;
}

function Tags({ model }) {
  const sandbox = "Answered by the built-in sandbox, not by the provider";
  return html`
    ${model.sandbox && html`<span class="tag" title=${sandbox}>sandbox</span>`}
    ${!usable(model) && html`<span class="tag">unavailable</span>`}
  `;
}

const Price = ({ spoken, price, unit }) => html`<span>
  <span class="visually-hidden">${spoken}</span>${perMillion(price)}<small>${` ${unit}`}</small>
</span>`;
