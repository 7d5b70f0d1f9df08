/** What administrators tell everybody: read when the connection stands, then as it comes. What the reader put away stays so. */

import { listAnnouncements } from "./api.js";
import { onConnected, onPush } from "./hub.js";
import { announcement as spoken, announcements } from "./state.js";
import { recall, remember } from "./storage.js";

const DISMISSED_KEY = "hub.announcements.dismissed";
const DISMISSED_MAX = 100;
const EXPIRY_CHECK_MS = 30_000;
const LOAD_SPREAD_MS = 5_000; // all pages are told at once that something may be missing

function dismissed() {
  try {
    const ids = JSON.parse(recall(DISMISSED_KEY) ?? "[]");
    return Array.isArray(ids) ? ids : [];
  } catch {
    return []; // somebody else's value under our name
  }
}

const stands = ({ expiresAt }) => !expiresAt || Date.parse(expiresAt) > Date.now();
const wanted = (known) => (one) => stands(one) && !known.includes(one.id);

/** Where it fails it is tried at the next connection again: a banner is worth no error. */
async function load() {
  const all = await listAnnouncements().catch(() => null);
  if (all !== null) announcements.value = all.filter(wanted(dismissed()));
}

function add(one) {
  if (!wanted(dismissed())(one) || announcements.value.some(({ id }) => id === one.id)) return;
  announcements.value = [one, ...announcements.value];
  spoken.value = `Announcement: ${one.title}. ${one.message}`;
}

function remove(id) {
  announcements.value = announcements.value.filter((one) => one.id !== id);
}

export function dismiss(id) {
  remember(DISMISSED_KEY, JSON.stringify([id, ...dismissed()].slice(0, DISMISSED_MAX)));
  remove(id);
}

setInterval(() => {
  if (!announcements.value.every(stands)) announcements.value = announcements.value.filter(stands);
}, EXPIRY_CHECK_MS);
onPush("announcement", (frame) => add(frame.announcement));
onPush("announcement.ended", (frame) => remove(frame.announcement_id));
onPush("announcements.changed", () => setTimeout(load, Math.random() * LOAD_SPREAD_MS));
onConnected(load);
