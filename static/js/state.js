/** What the page knows, as signals. Only the modules beside this one write them; views read. */

import { computed, signal } from "@preact/signals";

export const loginState = signal("starting"); // starting | out | in
export const loginNotice = signal(""); // why the reader is signed out, where that was not their wish
export const user = signal(null);

export const link = signal({ name: "connecting" }); // connecting | open | lost | regained | stopped
export const announcement = signal(""); // spoken by screen readers, politely

export const wallet = signal(null); // {credits, credits_held, points, version}
export const runningCosts = signal({}); // stream_id -> credits spent and not yet settled

/** What is left while answers run: the settled balance without what they have spent so far. */
export const shownCredits = computed(() => {
  if (!wallet.value) return null;
  const spent = Object.values(runningCosts.value).reduce((sum, cost) => sum + cost, 0);
  return Math.max(0, wallet.value.credits - spent);
});

export const models = signal([]);
export const modelId = signal("");
export const chosenModel = computed(() => models.value.find((model) => model.id === modelId.value) ?? null);

export const projects = signal([]);
export const projectId = signal(null); // of the conversations that begin from now on

export const conversations = signal([]);
export const moreConversations = signal(false);
export const found = signal(null); // {list, problem} of the search that stands in the place of the list, or null

/** A conversation as far as it is on the page; `id` is null until the hub has given it one. */
export function makeThread(id = null) {
  return { id: signal(id), messages: signal([]), phase: signal(id ? "new" : "ready"), problem: signal("") };
}

export const thread = signal(makeThread());

export const announcements = signal([]); // {id, title, message, level, createdAt, expiresAt}, the newest first

export const notifications = signal([]);
export const unread = signal(0);
export const moreNotifications = signal(false);
export const push = signal({ name: "off", busy: false, problem: "" }); // unsupported | blocked | off | on

export const NO_CHANGE = Object.freeze({});

/** Notification settings in the hub's form: `saved` is null until they were read. `busy`: a request runs. */
const makeSettings = () => ({
  saved: signal(null),
  sent: signal(NO_CHANGE),
  waiting: signal(NO_CHANGE),
  problem: signal(""),
  busy: false,
});

export const settings = signal(makeSettings());

let nextKey = 1;

/**
 * One turn. `status`: sending (an answer is asked for), streaming, complete, stopped, interrupted, failed.
 * `error` says why it failed, `finish` how it ended, `cost` what it has cost so far, `rating` what its reader thinks
 * of it.
 */
export function makeMessage(fields) {
  return {
    key: nextKey++,
    id: fields.id ?? null,
    role: fields.role,
    model: fields.model ?? "",
    createdAt: fields.created_at ?? new Date().toISOString(),
    content: signal(fields.content ?? ""),
    status: signal(fields.status ?? "complete"),
    cost: signal(0),
    finish: signal({ reason: fields.finish_reason ?? null, detail: fields.detail ?? null }),
    usage: signal(fields.usage ?? null),
    receipt: signal(fields.receipt ?? null),
    rating: signal(fields.rating ?? null),
    error: signal(fields.error ?? null),
    streamId: fields.stream_id ?? null,
  };
}

/** Everything that belongs to the person goes when they do. */
export function forgetUser() {
  user.value = null;
  wallet.value = null;
  runningCosts.value = {};
  projects.value = [];
  projectId.value = null;
  conversations.value = [];
  moreConversations.value = false;
  found.value = null;
  announcements.value = [];
  notifications.value = [];
  unread.value = 0;
  moreNotifications.value = false;
  push.value = { name: "off", busy: false, problem: "" };
  settings.value = makeSettings();
  thread.value = makeThread();
  announcement.value = "";
}
