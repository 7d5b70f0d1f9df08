/** The list of conversations and the account. On a phone it is a drawer over the conversation. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { logout } from "../js/account.js";
import { deleteConversation, loadOlder, openConversation, search } from "../js/conversations.js";
import { dayGroup } from "../js/format.js";
import { conversations, found, moreConversations, thread, user } from "../js/state.js";
import { Confirm } from "./confirm.js";
import { IconButton, Older } from "./controls.js";
import { Close, Gauge, Leave, Logo, Pencil, Plus, Shield, Trash } from "./icons.js";
import { OneConversation } from "./one-conversation.js";
import { ThemeButton } from "./theme-button.js";
import { TwoFactor } from "./two-factor.js";

const SEARCH_PAUSE_MS = 200; // of the typing, before the hub is asked

export function Sidebar({ hidden, modal, onChosen, onNew, onClose }) {
  const root = useRef(null);
  const [doomed, setDoomed] = useState(null);
  const [edited, setEdited] = useState(null);
  const doing = { onChosen, onDelete: setDoomed, onEdit: setEdited };
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
    <${Search} />
    <nav class="conversations" aria-label="Conversations">
      ${found.value ? html`<${Found} ...${doing} />` : html`<${Groups} ...${doing} />`}
      ${!found.value && moreConversations.value && html`<${Older} load=${loadOlder} />`}
    </nav>
    <${Account} />
    ${
      doomed &&
      html`<${Confirm} title="Delete this conversation?" text=${`"${doomed.title}" and its messages will be gone for good.`}
      action="Delete" onConfirm=${() => deleteConversation(doomed.id)} onClose=${() => setDoomed(null)} />`
    }
    ${edited && html`<${OneConversation} known=${edited} onClose=${() => setEdited(null)} />`}
  </aside>`;
}

function Search() {
  const timer = useRef(0);
  const changed = ({ currentTarget: { value } }) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(value), SEARCH_PAUSE_MS);
  };
  const names = { "aria-label": "Search your conversations", placeholder: "Search", "data-test": "search" };
  return html`<input type="search" class="search" maxlength="100" ...${names} onInput=${changed} />`;
}

function Found(doing) {
  const { list, problem } = found.value;
  const words = problem || (list.length ? "" : "Nothing was found.");
  return html`<p class="sidebar-empty" role="status" data-test="found" data-count=${list.length}>${words}</p>
    <ul>
      ${list.map((known) => html`<${Item} key=${known.id} known=${known} ...${doing} />`)}
    </ul>`;
}

function Groups(doing) {
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
          ${list.map((known) => html`<${Item} key=${known.id} known=${known} ...${doing} />`)}
        </ul>
  </section>`,
  );
}

const EDIT = { icon: Pencil, hint: "Rename or export", test: "edit" };

function Item({ known, onChosen, onDelete, onEdit }) {
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
    <${IconButton} ...${EDIT} label=${`Rename or export "${title}"`} onClick=${() => onEdit({ ...known, title })} />
    <${IconButton} icon=${Trash} label=${`Delete "${title}"`} hint="Delete" onClick=${() => onDelete({ ...known, title })} />
  </li>`;
}

function Account() {
  const [problem, setProblem] = useState("");
  const [secured, setSecured] = useState(false);
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
    <${IconButton} icon=${Shield} label="Two-factor sign-in" test="two-factor" onClick=${() => setSecured(true)} />
    <${ThemeButton} />
    <${IconButton} icon=${Leave} label="Sign out" test="logout" onClick=${leave} />
    ${secured && html`<${TwoFactor} onClose=${() => setSecured(false)} />`}
  </div>`;
}
