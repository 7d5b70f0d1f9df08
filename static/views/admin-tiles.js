/** The figures of this second, of all nodes together. */

import { html } from "htm/preact";

import { bytes, count, credits, milliseconds, percent, rate, share } from "../js/admin-format.js";
import { latest } from "../js/admin-feed.js";
import { count as counted } from "../js/format.js";

/** `bad` says when a figure is a reason to worry. */
const TILES = [
  {
    test: "nodes",
    name: "Nodes",
    value: (now) => count(now.nodes),
    note: () => "in these figures",
  },
  {
    test: "sockets",
    name: "Sockets",
    value: (now) => count(now.sockets),
    note: (now) => counted(now.users, "user"),
  },
  {
    test: "streams",
    name: "Answers running",
    value: (now) => count(now.streams),
    note: (now) => `${counted(now.holds, "hold")} open`,
  },
  {
    test: "requests",
    name: "Requests/s",
    value: (now) => rate(now.requests_per_second),
    note: (now) => `${rate(now.events_per_second)} events/s`,
  },
  {
    test: "errors",
    name: "Error rate",
    value: (now) => share(now.error_rate),
    note: (now) => `${rate(now.errors_per_second)} a second`,
    bad: (now) => now.errors_per_second > 0,
  },
  {
    test: "latency",
    name: "Latency",
    value: (now) => milliseconds(now.latency_p50_ms),
    note: (now) => `p99 ${milliseconds(now.latency_p99_ms)}`, // one is all that a phone's width takes without a break
  },
  {
    test: "first-token",
    name: "First token",
    value: (now) => milliseconds(now.first_token_p50_ms),
    note: (now) => `p95 ${milliseconds(now.first_token_p95_ms)}`,
  },
  {
    test: "credits",
    name: "Credits/s",
    value: (now) => credits(now.credits_per_second),
    note: () => "spent on answers",
  },
  {
    test: "drift",
    name: "Drift",
    value: (now) => count(now.drift),
    note: (now) => (now.drift ? "wallets do not add up" : "every wallet adds up"),
    bad: (now) => now.drift > 0,
  },
  {
    test: "queue",
    name: "Queues",
    value: (now) => bytes(now.queue_bytes),
    note: () => "waiting for slow clients",
  },
  {
    test: "webhooks",
    name: "Webhooks",
    value: (now) => count(now.webhook_backlog),
    note: (now) =>
      now.webhook_failures_per_second
        ? `${rate(now.webhook_failures_per_second)} fail a second`
        : `oldest ${Math.round(now.webhook_oldest_seconds)} s`,
    bad: (now) => now.webhook_failures_per_second > 0,
  },
  {
    test: "process",
    name: "CPU",
    value: (now) => percent(now.cpu_percent),
    note: (now) => `${bytes(now.memory_bytes)} of memory`,
  },
];

export function Tiles() {
  const sample = latest.value;
  return html`<section class="tiles" aria-label="Now" aria-busy=${!sample}>
    ${TILES.map((tile) => html`<${Tile} key=${tile.test} ...${tile} sample=${sample} />`)}
  </section>`;
}

function Tile({ test, name, value, note, bad, sample }) {
  const look = sample && bad?.(sample) ? "tile tile-bad" : "tile";
  return html`<div class=${look} data-test=${`tile-${test}`}>
    <h2 class="tile-name">${name}</h2>
    <p class="tile-value" data-test="value">${sample ? value(sample) : "–"}</p>
    <p class="tile-note">${sample ? note(sample) : "\u00a0"}</p>
  </div>`;
}
