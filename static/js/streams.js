/**
 * Answers that are being written, wherever they came from: following them, and going on after a cut.
 *
 * The generation belongs to the hub. This module keeps a cursor (`epoch`, `offset`) into each running stream and asks for
 * what lies beyond it, after a reconnection and after a reload alike; text is never put together by guessing. Where a
 * stream cannot be followed, the stored message is the truth, and `whenStale` is asked to read it.
 */

import { onConnected, onEvent, onForget, onPush, request } from "./hub.js";
import { announcement, runningCosts, wallet } from "./state.js";
import { exactCredits } from "./format.js";

const LATE_MS = 2_000; // an event may overtake its stream's last frames by this much
const RETRIES_MAX = 6;
const RETRY_MS = 1_000;

const streams = new Map(); // stream_id -> {id, epoch, offset, text, cost, thread, message}
const retries = new Map(); // stream_id -> how often following it has failed
const seen = new Set(); // stream_ids that this page followed to their end: their news is no news
const unflushed = new Set();
const stale = { thread: () => {}, conversation: () => {} };

const ANSWERING = new Set(["sending", "streaming"]);
const STATUS_OF = { cancelled: "stopped" };

export const runningMessage = (opened) => opened.messages.value.find((message) => ANSWERING.has(message.status.value));
export const isRunning = (opened) => opened.messages.peek().some((message) => ANSWERING.has(message.status.peek()));

/** Registers who reads stored messages: of a thread on the page, or of a conversation changed elsewhere. */
export const whenStale = (readers) => Object.assign(stale, readers);

/** A stored message that is still being written, found after a reload. */
export function follow(opened, message, stored) {
  resume(track(opened, message, { ...stored, offset: stored.offset ?? 0 }));
}

export function track(opened, message, { stream_id, epoch, offset }) {
  const stream = { id: stream_id, epoch, offset, text: message.content.peek(), thread: opened, message };
  streams.set(stream_id, stream);
  message.streamId = stream_id;
  message.status.value = "streaming";
  return stream;
}

async function resume(stream) {
  const { id, epoch, offset } = stream;
  try {
    const reply = await request("chat.resume", { stream_id: id, epoch, after: offset }, { once: true });
    if (!reply.recovered) Object.assign(stream, { text: "", offset: 0 });
    stream.epoch = reply.epoch;
    retries.delete(id);
  } catch (error) {
    if (error.code !== "CONNECTION_LOST") readStored(stream);
  }
}

/** The stream cannot be followed (its node died, or it is long over): the stored message is the truth. */
function readStored(stream) {
  if (streams.get(stream.id) !== stream) return;
  const tries = (retries.get(stream.id) ?? 0) + 1;
  retries.set(stream.id, tries);
  release(stream);
  stream.message.status.value = "interrupted";
  // At first it may still say "streaming", until the hub has settled what the dead process left.
  if (tries <= RETRIES_MAX)
    setTimeout(() => isRunning(stream.thread) || stale.thread(stream.thread), RETRY_MS * 2 ** (tries - 1));
}

function release(stream) {
  flush();
  streams.delete(stream.id);
  const { [stream.id]: _settled, ...others } = runningCosts.value;
  runningCosts.value = others;
}

function delta(frame) {
  const stream = streams.get(frame.stream_id);
  if (!stream || frame.offset <= stream.offset) return; // a repetition
  stream.text += frame.content;
  stream.offset = frame.offset;
  stream.cost = frame.cost ?? stream.cost;
  if (!unflushed.size) whenPainting(flush);
  unflushed.add(stream);
}

/** Once per painted frame at most, however fast the deltas come; hidden pages do not paint, yet must go on. */
function whenPainting(task) {
  if (document.hidden) setTimeout(task, 250);
  else requestAnimationFrame(task);
}

function flush() {
  const costs = { ...runningCosts.value };
  for (const stream of unflushed) {
    stream.message.content.value = stream.text;
    if (stream.cost === undefined || !streams.has(stream.id)) continue;
    stream.message.cost.value = stream.cost;
    costs[stream.id] = stream.cost;
  }
  if (unflushed.size) runningCosts.value = costs;
  unflushed.clear();
}

function completed(frame) {
  const stream = streams.get(frame.stream_id);
  if (!stream) return;
  const { message } = stream;
  settle(stream, frame);
  message.finish.value = { reason: frame.finish_reason, detail: frame.detail ?? null };
  message.status.value = STATUS_OF[frame.finish_reason] ?? "complete";
  const charged = frame.receipt ? ` ${exactCredits(frame.receipt.charged)} credits charged.` : "";
  announcement.value = (message.status.value === "stopped" ? "Answer stopped." : "Answer complete.") + charged;
  if (frame.offset > stream.offset) stale.thread(stream.thread); // something was missed: read what is stored
}

export function failed(message, error) {
  message.error.value = { code: error.code, message: error.message, temporary: error.temporary };
  message.status.value = "failed";
  announcement.value = `The answer failed. ${error.message}`;
}

function settle(stream, { receipt, usage, message_id }) {
  release(stream);
  seen.add(stream.id);
  const { message } = stream;
  message.id = message_id ?? message.id;
  message.receipt.value = receipt ?? null;
  message.usage.value = usage ?? null;
  // The balance push follows; until then the receipt keeps the shown balance from jumping back up.
  if (receipt && wallet.value) wallet.value = { ...wallet.value, credits: receipt.balance_after };
}

/** The same news on the user's channel: for answers that this tab does not follow, or lost sight of. */
function ended({ stream_id, conversation_id }) {
  const stream = streams.get(stream_id);
  if (stream) setTimeout(() => streams.get(stream_id) === stream && readStored(stream), LATE_MS);
  else if (!seen.has(stream_id)) stale.conversation(conversation_id);
}

onPush("chat.delta", delta);
onPush("chat.completed", completed);
onPush("chat.failed", (frame) => {
  const stream = streams.get(frame.stream_id);
  if (!stream) return;
  settle(stream, frame);
  failed(stream.message, frame.error);
  if (frame.offset !== stream.offset) stale.thread(stream.thread); // of a hub that died less is stored than was shown
});
onEvent("chat.completed", ended);
onEvent("chat.failed", ended);
onConnected(() => {
  for (const stream of streams.values()) resume(stream);
});
onForget(() => {
  streams.clear();
  retries.clear();
  unflushed.clear();
  seen.clear();
});
