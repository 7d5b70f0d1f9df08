/**
 * What the monitor knows: the samples of the last hour by column, and the newest events. It subscribes with each
 * connection, and says by signals when there is more; views read.
 *
 *     admin.metrics.history -> columns (3,600 at most) <- admin.metrics        admin.events -> events (300 at most)
 */

import { computed, signal } from "@preact/signals";

import { onConnected, onForget, onPush, request } from "./hub.js";
import { user } from "./state.js";

const SAMPLES_MAX = 3_600;
const EVENTS_MAX = 300;
const FIGURE_SECONDS = 60; // what is measured of requests is shown this long after the last one there was

/** `version` grows with each change; the arrays themselves are too large to be copied each second. */
export const samples = { version: signal(0), columns: { time: [] } };
export const latest = signal(null); // the last sample, with what requests of a moment ago were like where none are newer
export const events = signal([]); // newest first
export const dropped = signal(0); // events that the hub left out since the subscription
export const filters = signal({ type: "", user: "" });
export const knownTypes = signal(["chat.completed", "chat.failed", "notification.created", "user.created"]);
export const paused = signal(false);
export const waiting = signal(0); // events that came while it was paused
export const lostRight = signal(false);

export const isAdministrator = computed(() => user.value?.role === "admin" && !lostRight.value);

const PERCENTILES = ["latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "first_token_p50_ms", "first_token_p95_ms"];
const OF_REQUESTS = ["error_rate", ...PERCENTILES];
let held = [];
let arriving = null;
let nextKey = 1;

function wanted({ type, user }) {
  return { ...(type && { types: [type] }), ...(user && { users: [user] }) };
}

function listen() {
  return request("subscribe", { channel: "admin:events", filters: wanted(filters.value) }, { once: true });
}

/** What is shown already is narrowed down at once; what comes is narrowed down by the hub. */
export function choose(change) {
  filters.value = { ...filters.value, ...change };
  const { type, user } = filters.value;
  const fits = (event) => (!type || event.type === type) && (!user || event.user === user);
  events.value = events.value.filter(fits);
  held = held.filter(fits);
  waiting.value = held.length;
  listen().catch(() => {}); // a lost connection subscribes anew when it is back
}

export function pause(on) {
  paused.value = on;
  if (on) return;
  show(held);
  held = [];
  waiting.value = 0;
}

function keepSamples(columns, rows) {
  const kept = Object.fromEntries(columns.map((name, place) => [name, rows.map((row) => row[place])]));
  samples.columns = kept;
  if (rows.length) latest.value = current(Object.fromEntries(columns.map((name) => [name, kept[name].at(-1)])));
  samples.version.value += 1;
}

function addSample(sample) {
  const last = samples.columns.time?.at(-1);
  if (last !== undefined && sample.time <= last) return;
  for (const [name, value] of Object.entries(sample)) {
    const column = (samples.columns[name] ??= []);
    column.push(value);
    if (column.length > SAMPLES_MAX) column.shift();
  }
  latest.value = current(sample);
  samples.version.value += 1;
}

function current(sample) {
  const shown = { ...sample };
  for (const name of OF_REQUESTS) {
    const recent = samples.columns[name]?.slice(-FIGURE_SECONDS) ?? [];
    shown[name] ??= recent.findLast((value) => value !== null) ?? null;
  }
  return shown;
}

function show(fresh) {
  events.value = [...fresh.toReversed(), ...events.value].slice(0, EVENTS_MAX);
}

function addEvents({ events: fresh, dropped: left }) {
  dropped.value += left;
  const keyed = fresh.map((event) => ({ ...event, key: nextKey++ }));
  const types = new Set([...knownTypes.value, ...fresh.map(({ type }) => type)]);
  if (types.size !== knownTypes.value.length) knownTypes.value = [...types].sort();
  if (!paused.value) return show(keyed);
  held = [...held, ...keyed].slice(-EVENTS_MAX);
  waiting.value = held.length;
}

/** The samples come in several frames; only when all are here do they take the place of the old ones. */
function addHistory({ columns, samples: rows, last }) {
  arriving = [...(arriving ?? []), ...rows];
  if (!last) return;
  keepSamples(columns, arriving);
  arriving = null;
}

onPush("admin.metrics.history", addHistory);
onPush("admin.metrics", ({ sample }) => addSample(sample));
onPush("admin.events", addEvents);
onPush("subscription.lost", () => (lostRight.value = true));

onConnected((reply) => {
  arriving = null;
  lostRight.value = false;
  if (reply.user.role !== "admin") return;
  const refused = ({ code }) => (lostRight.value = code === "AUTHORIZATION_FAILED");
  request("subscribe", { channel: "admin:metrics" }, { once: true }).catch(refused);
  listen().catch(refused);
});

onForget(() => {
  samples.columns = { time: [] };
  samples.version.value += 1;
  latest.value = null;
  events.value = held = [];
  dropped.value = waiting.value = 0;
});
