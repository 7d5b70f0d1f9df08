/** The frame around the conversation: side list (a drawer on a phone), header, thread, composer. */

import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useComputed, useSignalEffect } from "@preact/signals";

import { stop } from "../js/chat.js";
import { newConversation } from "../js/conversations.js";
import { conversations, thread } from "../js/state.js";
import { runningMessage } from "../js/streams.js";
import { Announcements } from "./announcements.js";
import { Composer } from "./composer.js";
import { Header } from "./header.js";
import { Sidebar } from "./sidebar.js";
import { StatusBanner } from "./status-banner.js";
import { Thread } from "./thread.js";

const PHONE = matchMedia("(max-width: 860px)");

function usePhone() {
  const [phone, setPhone] = useState(PHONE.matches);
  useEffect(() => {
    const changed = () => setPhone(PHONE.matches);
    PHONE.addEventListener("change", changed);
    return () => PHONE.removeEventListener("change", changed);
  }, []);
  return phone;
}

function titleOfPage() {
  const id = thread.value.id.value;
  const title = conversations.value.find((known) => known.id === id)?.title;
  return title ? `${title} – Smart AI Hub` : "Smart AI Hub";
}

export function Shell() {
  const phone = usePhone();
  const [drawer, setDrawer] = useState(false);
  const composer = useRef(null);
  const menu = useRef(null);
  const running = useComputed(() => runningMessage(thread.value) ?? null);
  const open = phone && drawer;

  useSignalEffect(() => {
    document.title = titleOfPage();
  });

  useEffect(() => {
    function escape(event) {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
      if (document.querySelector("dialog[open]")) return; // it is the dialog's, wherever the focus is
      if (open) return closeDrawer();
      if (running.peek()) stop(running.peek());
    }
    document.addEventListener("keydown", escape);
    return () => document.removeEventListener("keydown", escape);
  }, [open]);

  function closeDrawer() {
    setDrawer(false);
    requestAnimationFrame(() => menu.current?.focus()); // until it is drawn anew, the button is inert
  }

  /** After a choice in the list the reader wants to write, not to search the focus. */
  function chosen() {
    setDrawer(false);
    requestAnimationFrame(() => composer.current?.focus());
  }

  /** By hand: the address's hash names the conversation. */
  function skip(event) {
    event.preventDefault();
    composer.current?.focus();
  }

  function startNew() {
    newConversation();
    chosen();
  }

  return html`<div class=${open ? "shell drawer-open" : "shell"}>
    <a class="skip" href="#composer" onClick=${skip}>Skip to the message box</a>
    <${Sidebar} hidden=${phone && !drawer} modal=${open} onChosen=${chosen} onNew=${startNew} onClose=${closeDrawer} />
    ${open && html`<div class="scrim" onClick=${closeDrawer}></div>`}
    <div class="stage" inert=${open}>
      <${Header} menuRef=${menu} phone=${phone} onMenu=${() => setDrawer(true)} onNew=${startNew} />
      <${StatusBanner} />
      <${Announcements} />
      <${Thread} key=${thread.value} opened=${thread.value} />
      <${Composer} inputRef=${composer} running=${running} />
    </div>
  </div>`;
}
