/** Notifications behind a bell, and beside them the settings of what to be told. */

import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { ago } from "../js/format.js";
import { takeSettingsAddress } from "../js/notification-settings.js";
import { loadOlder, markAllRead, markRead } from "../js/notifications.js";
import { moreNotifications, notifications, unread } from "../js/state.js";
import { IconButton, LinkButton, Older } from "./controls.js";
import { Bell, Sliders } from "./icons.js";
import { NotificationSettings } from "./notification-settings.js";
import { usePopover } from "./popover.js";
import { PushSwitch } from "./push.js";

export function BellMenu() {
  const [open, setOpen, root, trigger] = usePopover();
  const [view, setView] = useState("list"); // list | settings | back: the list again
  const show = (wanted) => {
    setView(wanted);
    setOpen(true);
  };
  useSettingsAddress(() => show("settings"));
  const count = unread.value;
  const label = count ? `Notifications, ${count} unread` : "Notifications";
  const state = { "aria-haspopup": "dialog", "aria-expanded": open };
  const toggle = () => (open ? setOpen(false) : show("list"));
  return html`<div class="bell" ref=${root}>
    <div class="bell-anchor">
      <${IconButton} icon=${Bell} label=${label} test="bell" elementRef=${trigger} ...${state} onClick=${toggle} />
      ${count > 0 && html`<${Count} count=${count} />`}
    </div>
    ${open && html`<${Panel} view=${view} onView=${setView} />`}
  </div>`;
}

/** After the paint: before it the message box takes the focus, which would close the panel. */
function useSettingsAddress(open) {
  useEffect(() => {
    const arrive = () => takeSettingsAddress() && open();
    arrive();
    addEventListener("hashchange", arrive);
    return () => removeEventListener("hashchange", arrive);
  }, []);
}

/** For the eye only: the bell's own name says the number. */
const Count = ({ count }) =>
  html`<span class="bell-count" data-test="bell-count" aria-hidden="true">${count > 99 ? "99+" : count}</span>`;

function Panel({ view, onView }) {
  if (view === "settings") return html`<${NotificationSettings} onBack=${() => onView("back")} />`;
  return html`<${List} returned=${view === "back"} onSettings=${() => onView("settings")} />`;
}

function List({ returned, onSettings }) {
  const list = notifications.value;
  const trigger = useRef(null);
  useLayoutEffect(() => returned && trigger.current.focus(), []); // where the reader was before
  const button = { icon: Sliders, label: "Notification settings", test: "settings", elementRef: trigger };
  return html`<div class="panel bell-panel" role="dialog" aria-label="Notifications">
    <div class="panel-head">
      <h2>Notifications</h2>
      ${unread.value > 0 && html`<${LinkButton} test="read-all" onClick=${markAllRead}>Mark all as read<//>`}
      <${IconButton} ...${button} onClick=${onSettings} />
    </div>
    ${list.length === 0 && html`<p class="panel-empty">Nothing yet.</p>`}
    <ul class="notes">${list.map((note) => html`<${Note} key=${note.id} note=${note} />`)}</ul>
    ${moreNotifications.value && html`<${Older} load=${loadOlder} />`}
    <${PushSwitch} />
  </div>`;
}

function Note({ note }) {
  return html`<li class=${note.read ? "note" : "note note-unread"} data-test="notification" data-read=${note.read}>
    <div class="note-text">
      <p class="note-title">${!note.read && html`<span class="visually-hidden">Unread: </span>`}${note.title}</p>
      <p>${note.message}</p>
      <p class="note-time"><time datetime=${note.created_at}>${ago(note.created_at)}</time></p>
    </div>
    ${
      !note.read &&
      html`<button type="button" class="note-read" data-test="mark-read" aria-label=${`Mark "${note.title}" as read`}
      title="Mark as read" onClick=${() => markRead([note.id])}><span></span></button>`
    }
  </li>`;
}
