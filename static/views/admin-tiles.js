/** The figures of this second. */

import { html } from "htm/preact";

import { bytes, count, credits, milliseconds, percent, rate } from "../js/admin-format.js";
import { latest } from "../js/admin-feed.js";

const each = (format, ...names) => (sample) => names.map((name) => format(sample[name])).join(" / ");

/** `bad` says when a figure is a reason to worry. */
const TILES = [
  { test: "sockets", name: "Sockets", value: each(count, "sockets"), note: (one) => `${count(one.users)} users` },
  { test: "streams", name: "Answers running", value: each(count, "streams"), note: (one) => `${count(one.holds)} holds` },
  { test: "requests", name: "Requests/s", value: each(rate, "requests_per_second"), note: (one) => `${rate(one.events_per_second)} events/s` },
  { test: "errors", name: "Errors/s", value: each(rate, "errors_per_second"), note: () => "status 5xx", bad: (one) => one.errors_per_second > 0 },
  { test: "latency", name: "Latency", value: each(milliseconds, "latency_p50_ms"), note: (one) => `p95 ${milliseconds(one.latency_p95_ms)}, p99 ${milliseconds(one.latency_p99_ms)}` },
  { test: "first-token", name: "First token", value: each(milliseconds, "first_token_p50_ms"), note: (one) => `p95 ${milliseconds(one.first_token_p95_ms)}` },
  { test: "credits", name: "Credits/s", value: each(credits, "credits_per_second"), note: () => "spent on answers" },
  { test: "drift", name: "Drift", value: each(count, "drift"), note: (one) => (one.drift ? "wallets do not add up" : "every wallet adds up"), bad: (one) => one.drift > 0 },
  { test: "queue", name: "Queues", value: each(bytes, "queue_bytes"), note: () => "waiting for slow clients" },
  { test: "process", name: "CPU", value: each(percent, "cpu_percent"), note: (one) => `${bytes(one.memory_bytes)} of memory` },
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
    <h3>${name}</h3>
    <p class="tile-value" data-test="value">${sample ? value(sample) : "–"}</p>
    <p class="tile-note">${sample ? note(sample) : "\u00a0"}</p>
  </div>`;
}
