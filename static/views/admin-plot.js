/** One plot of the last hour. uPlot draws on a canvas; this module gives it colours, sizes and data, and words beside it. */

import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";
import { useSignalEffect } from "@preact/signals";
import uPlot from "uplot";

import { bytes, count, credits, milliseconds, percent, rate, share } from "../js/admin-format.js";
import { latest, samples } from "../js/admin-feed.js";
import { theme } from "../js/theme.js";

const HEIGHT = 150;
const SPAN_SECONDS_MIN = 120;
const SPAN_SECONDS_MAX = 3_600;

export const PLOTS = [
  { title: "Nodes", format: count, lines: { nodes: "nodes" } },
  { title: "Sockets and users", format: count, lines: { sockets: "sockets", users: "users" } },
  { title: "Answers and holds", format: count, lines: { streams: "answers", holds: "holds" } },
  { title: "Requests/s", format: rate, lines: { requests_per_second: "requests", errors_per_second: "errors" } },
  { title: "Error rate", format: share, lines: { error_rate: "of the requests" } },
  { title: "Latency", format: milliseconds, lines: { latency_p50_ms: "p50", latency_p95_ms: "p95", latency_p99_ms: "p99" } },
  { title: "First token", format: milliseconds, lines: { first_token_p50_ms: "p50", first_token_p95_ms: "p95" } },
  { title: "Credits/s", format: credits, lines: { credits_per_second: "credits" } },
  { title: "Queues", format: bytes, lines: { queue_bytes: "bytes waiting" } },
  { title: "Webhooks", format: count, lines: { webhook_backlog: "waiting" } },
  { title: "Webhooks/s", format: rate, lines: { webhooks_per_second: "attempts", webhook_failures_per_second: "failed" } },
  { title: "CPU", format: percent, lines: { cpu_percent: "of one core" } },
  { title: "Memory", format: bytes, lines: { memory_bytes: "in use" } },
  { title: "Drift", format: count, lines: { drift: "wallets" } },
];

export function Plot({ title, format, lines }) {
  const root = useRef(null);
  const plot = useRef(null);
  const names = Object.keys(lines);

  useEffect(() => {
    const build = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(root.current, format, lines), dataOf(names), root.current);
    };
    const sizes = new ResizeObserver(() => plot.current?.setSize(sizeOf(root.current)));
    sizes.observe(root.current);
    const forget = theme.subscribe(build); // colours on a canvas do not follow a style sheet
    const visible = () => document.hidden || plot.current.setData(dataOf(names));
    document.addEventListener("visibilitychange", visible);
    return () => {
      document.removeEventListener("visibilitychange", visible);
      forget();
      sizes.disconnect();
      plot.current.destroy();
    };
  }, []);

  useSignalEffect(() => {
    void samples.version.value;
    if (!document.hidden) plot.current?.setData(dataOf(names)); // nobody sees a hidden page; it is drawn when it is shown
  });

  return html`<figure class="plot" data-test="plot">
    <figcaption>
      <b>${title}</b>
      <${Legend} lines=${lines} format=${format} />
    </figcaption>
    <div class="plot-canvas" ref=${root} aria-hidden="true"></div>
  </figure>`;
}

/** Also what a screen reader is told of the plot. */
function Legend({ lines, format }) {
  const sample = latest.value;
  return html`<span class="plot-legend">
    ${Object.entries(lines).map(
      ([name, label], place) =>
        html`<span key=${name} class=${`line-${place + 1}`}><i aria-hidden="true"></i>${label} ${sample ? format(sample[name]) : "–"}</span>`,
    )}
  </span>`;
}

function dataOf(names) {
  const { columns } = samples;
  return [columns.time ?? [], ...names.map((name) => columns[name] ?? [])];
}

const sizeOf = (element) => ({ width: Math.max(120, element.clientWidth), height: HEIGHT });

function colourOf(element, name) {
  const probe = document.createElement("span");
  probe.className = name;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function options(element, format, lines) {
  const colour = (name) => colourOf(element, name);
  const axis = { stroke: colour("plot-text"), grid: { stroke: colour("plot-grid-line"), width: 1 }, ticks: { show: false } };
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const series = Object.values(lines).map((label, place) => ({
    label,
    stroke: colour(`line-${place + 1}`),
    width: 1.5,
    points: { show: isAlone, size: 5, fill: colour(`line-${place + 1}`) },
    spanGaps: true,
  }));
  return {
    ...sizeOf(element),
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { range: rangeOfTime }, y: { range: rangeOfValues } },
    series: [{}, ...series],
    axes: [
      { ...axis, font, size: 28, values: timesThatFit },
      { ...axis, font, size: 64, incrs: WHOLE.get(format), values: (_plot, values) => values.map((value) => format(value)) },
    ],
  };
}

const MINUTE = { hour: "2-digit", minute: "2-digit", hour12: false };
const SECOND = { ...MINUTE, second: "2-digit" };
const hour = (time, exact) => new Date(time * 1_000).toLocaleTimeString([], exact ? SECOND : MINUTE);
const LABEL_HALF = 18; // pixels, beside the eight of the padding: a label nearer to the end would be cut off there

function timesThatFit(plot, times, _axis, _space, step) {
  const end = plot.valToPos(plot.scales.x.max, "x");
  return times.map((time) => (end - plot.valToPos(time, "x") < LABEL_HALF ? "" : hour(time, step < 60)));
}

/** There is no half socket, and no half byte. */
const STEPS = [1, 2, 5].flatMap((step) => Array.from({ length: 13 }, (_, zeros) => step * 10 ** zeros)).sort((a, b) => a - b);
const WHOLE = new Map([
  [count, STEPS],
  [bytes, Array.from({ length: 42 }, (_, power) => 2 ** power)],
]);

/** A value without a neighbour would be a line without a length. */
function isAlone(plot, place) {
  return plot.data[place].reduce((found, value) => found + (value !== null), 0) === 1;
}

function rangeOfTime(_plot, from, to) {
  const end = to ?? Date.now() / 1_000;
  const span = Math.min(SPAN_SECONDS_MAX, Math.max(SPAN_SECONDS_MIN, end - (from ?? end)));
  return [end - span, end];
}

/** From zero: a plot that begins elsewhere makes a ripple look like a storm. */
const rangeOfValues = (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1];
