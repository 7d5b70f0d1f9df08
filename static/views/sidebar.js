/** The list of conversations and the account. On a phone it is a drawer over the conversation. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { logout } from "../js/account.js";
import { deleteConversation, loadOlder, openConversation } from "../js/conversations.js";
import { dayGroup } from "../js/format.js";
import { conversations, moreConversations, thread, user } from "../js/state.js";
import { Confirm } from "./confirm.js";
import { IconButton, Older } from "./controls.js";
import { Close, Gauge, Leave, Logo, Plus, Trash } from "./icons.js";
import { ThemeButton } from "./theme-button.js";

export function Sidebar({ hidden, modal, onChosen, onNew, onClose }) {
  const root = useRef(null);
  const [doomed, setDoomed] = useState(null);
  useEffect(() => {
    if (modal) root.current.querySelector("[data-test=new-chat]").focus();
  }, [modal]);
  return html`<aside class="sidebar" ref=${root} inert=${hidden} aria-label="Conversations and account">
    <div class="sidebar-head">
      <${Logo} /><span class="brand">Smart AI Hub</span>
      ${modal && html`<${IconButton} icon=${Close} label="Close the list" onClick=${onClose} />`}
    </div>
    <button type="button" class="button new-chat" data-test="new-chat" onClick=${onNew}>
      <${Plus} />New conversation
    </button>
    <nav class="conversations" aria-label="Conversations">
      <${Groups} onChosen=${onChosen} onDelete=${setDoomed} />
      ${moreConversations.value && html`<${Older} load=${loadOlder} />`}
    </nav>
    <${Account} />
    ${
      doomed &&
      html`<${Confirm} title="Delete this conversation?" text=${`"${doomed.title}" and its messages will be gone for good.`}
      action="Delete" onConfirm=${() => deleteConversation(doomed.id)} onClose=${() => setDoomed(null)} />`
    }
  </aside>`;
}

function Groups({ onChosen, onDelete }) {
  const groups = new Map();
  for (const known of conversations.value) {
    const day = dayGroup(known.updated_at);
    groups.set(day, [...(groups.get(day) ?? []), known]);
  }
  if (!groups.size) return html`<p class="sidebar-empty">Your conversations will appear here.</p>`;
  return [...groups].map(
    ([day, list]) => html`<section key=${day}>
    <h2>${day}</h2>
    <ul>
          ${list.map((known) => html`<${Item} key=${known.id} known=${known} ...${{ onChosen, onDelete }} />`)}
        </ul>
  </section>`,
  );
}

function Item({ known, onChosen, onDelete }) {
  const current = thread.value.id.value === known.id;
  const title = known.title || "Untitled";
  function open(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab is the browser's business
    event.preventDefault();
    openConversation(known.id);
    onChosen();
  }
  return html`<li class=${current ? "conversation current" : "conversation"} data-test="conversation">
    <a href=${`#/c/${known.id}`} aria-current=${current && "page"} title=${title} onClick=${open}>${title}</a>
    <${IconButton} icon=${Trash} label=${`Delete "${title}"`} hint="Delete" onClick=${() => onDelete({ ...known, title })} />
  </li>`;
}

function Account() {
  const [problem, setProblem] = useState("");
  const { email, first_name: first, last_name: last } = user.value ?? {};
  const name = [first, last].filter(Boolean).join(" ");
  const leave = () => logout().catch((error) => setProblem(error.message));
  return html`<div class="account">
    <div class="account-name" title=${email}>
      <span>${name || email}</span>${name && html`<small>${email}</small>`}
      ${problem && html`<small class="field-bad" role="alert">${problem}</small>`}
    </div>
    ${
      user.value?.role === "admin" &&
      html`<a class="icon-button" href="/admin" data-test="admin" aria-label="Live monitor" title="Live monitor"><${Gauge} /></a>`
    }
    <${ThemeButton} />
    <${IconButton} icon=${Leave} label="Sign out" test="logout" onClick=${leave} />
  </div>`;
}
