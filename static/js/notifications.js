/** The bell: what the hub wants the reader to know, and what they have read of it. */

import { onConnected, onEvent, request } from "./hub.js";
import { announcement, moreNotifications, notifications, unread } from "./state.js";

const PAGE = 20;

async function load() {
  const answer = await request("notifications.list", { limit: PAGE });
  notifications.value = answer.notifications;
  unread.value = answer.unread;
  moreNotifications.value = answer.notifications.length === PAGE;
}

export async function loadOlder() {
  const before = notifications.value.at(-1)?.id;
  const answer = await request("notifications.list", { limit: PAGE, before });
  notifications.value = [...notifications.value, ...answer.notifications];
  moreNotifications.value = answer.notifications.length === PAGE;
}

export function markRead(ids) {
  marked({ ids }); // shown at once; the hub's event, which tells the other tabs, then changes nothing here
  return request("notifications.read", { ids }).catch(() => load().catch(() => {}));
}

export function markAllRead() {
  marked({ all: true });
  return request("notifications.read_all").catch(() => load().catch(() => {}));
}

function marked({ ids = [], all = false }) {
  const chosen = new Set(ids);
  const hit = (note) => !note.read && (all || chosen.has(note.id));
  const changed = notifications.value.filter(hit).length;
  notifications.value = notifications.value.map((note) => (hit(note) ? { ...note, read: true } : note));
  unread.value = all ? 0 : Math.max(0, unread.value - changed);
}

function created(note) {
  if (notifications.value.some((known) => known.id === note.id)) return;
  notifications.value = [note, ...notifications.value];
  if (!note.read) unread.value += 1;
  announcement.value = `New notification: ${note.title}`;
}

onEvent("notification.created", created);
onEvent("notification.read", marked);
onConnected((_reply, fresh) => fresh && load().catch(() => {}));
