/** The reader's side of an answer: asking, asking again, stopping. */

import { named } from "./conversations.js";
import { titleOf } from "./format.js";
import { request } from "./hub.js";
import { announcement, makeMessage, modelId, projectId, thread } from "./state.js";
import { failed, track } from "./streams.js";

/** `crypto.randomUUID` is missing where a hub is served by plain HTTP in a local network. */
const freshKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");

/** Asks the chosen model; the question and the empty answer are on the page at once. */
export async function send(text) {
  const opened = thread.value;
  const question = makeMessage({ role: "user", content: text });
  const answer = makeMessage({ role: "assistant", status: "sending", model: modelId.value });
  opened.messages.value = [...opened.messages.value, question, answer];
  announcement.value = "Sent. The answer is being written.";
  const command = { model: modelId.value, message: text, on_disconnect: "continue", idempotency_key: freshKey() };
  const known = opened.id.peek();
  const project = projectId.value;
  const where = known ? { conversation_id: known } : project && { project_id: project };
  try {
    const started = await request("chat.start", { ...command, ...where }, { work: true });
    if (!known) named(opened, started.conversation_id, titleOf(text), project);
    track(opened, answer, { ...started, offset: 0 });
    if (answer.stopWanted) stop(answer);
  } catch (error) {
    failed(answer, error);
  }
}

/** Asks the last question again. A pair the hub refused was never stored, so it goes from the page. */
export function again(answer) {
  const list = thread.value.messages.value;
  const at = list.indexOf(answer);
  const question = list[at - 1];
  if (!question) return;
  if (!answer.streamId)
    thread.value.messages.value = list.filter((message) => message !== answer && message !== question);
  send(question.content.value);
}

export function stop(answer) {
  answer.stopWanted = true;
  if (!answer.streamId) return; // not started yet: `send` comes back to it
  request("chat.stop", { stream_id: answer.streamId }).catch((error) => (announcement.value = error.message));
}
