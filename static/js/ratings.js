/** What the reader thinks of answers: up, down or nothing, the same in all tabs. */

import { onEvent, request } from "./hub.js";
import { announcement, thread } from "./state.js";

const SAID = { up: "Rated as good.", down: "Rated as bad." };

/** Rates a finished answer, or withdraws what was said of it where that is pressed again; shown at once. */
export async function rate(message, wish) {
  const before = message.rating.peek();
  const rating = before === wish ? null : wish;
  message.rating.value = rating;
  try {
    const answer = message.id ? { message_id: message.id } : { stream_id: message.streamId };
    await request("chat.rate", { ...answer, rating });
    announcement.value = SAID[rating] ?? "Rating withdrawn.";
  } catch (error) {
    if (message.rating.peek() === rating) message.rating.value = before;
    announcement.value = `The rating could not be kept. ${error.message}`;
  }
}

/** Another tab rated; what is kept of conversations that are not open is read anew when they are opened. */
onEvent("chat.rated", ({ message_id, stream_id, rating }) => {
  const rated = thread.value.messages.peek().find(({ id, streamId }) => id === message_id || streamId === stream_id);
  if (rated) rated.rating.value = rating;
});
