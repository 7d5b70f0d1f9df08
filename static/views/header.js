/** Above the conversation: which model answers, what is left, what is new. */

import { html } from "htm/preact";

import { Balance } from "./balance.js";
import { BellMenu } from "./bell.js";
import { Menu, Plus } from "./icons.js";
import { ModelPicker } from "./model-picker.js";

export function Header({ menuRef, phone, onMenu, onNew }) {
  return html`<header class="header">
    ${phone && html`<button type="button" class="icon-button" ref=${menuRef} data-test="menu" aria-label="Conversations" onClick=${onMenu}><${Menu} /></button>`}
    <${ModelPicker} />
    <div class="header-end">
      <${Balance} />
      ${phone && html`<button type="button" class="icon-button" aria-label="New conversation" onClick=${onNew}><${Plus} /></button>`}
      <${BellMenu} />
    </div>
  </header>`;
}
