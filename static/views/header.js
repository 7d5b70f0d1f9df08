/** Above the conversation: which model answers, what is left, what is new. */

import { html } from "htm/preact";

import { Balance } from "./balance.js";
import { BellMenu } from "./bell.js";
import { IconButton } from "./controls.js";
import { Menu, Plus } from "./icons.js";
import { ModelPicker } from "./model-picker.js";

export function Header({ menuRef, phone, onMenu, onNew }) {
  return html`<header class="header">
    ${
      phone &&
      html`<${IconButton} icon=${Menu} label="Conversations" test="menu" elementRef=${menuRef} onClick=${onMenu} />`
    }
    <${ModelPicker} />
    <div class="header-end">
      <${Balance} />
      ${phone && html`<${IconButton} icon=${Plus} label="New conversation" onClick=${onNew} />`}
      <${BellMenu} />
    </div>
  </header>`;
}
