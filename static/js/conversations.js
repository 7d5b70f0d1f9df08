/** The list of conversations, which one is open, and its stored messages. The address's hash names the open one. */

import { renameConversation, searchConversations } from "./api.js";
import { onConnected, onEvent, onForget, request } from "./hub.js";
import { SETTINGS_ADDRESS } from "./notification-settings.js";
import { conversations, found, loginState, makeMessage, makeThread, moreConversations, thread } from "./state.js";
import { follow, isRunning, whenStale } from "./streams.js";

const PAGE = 30;
const THREADS_MAX = 30;
const threads = new Map(); // the ones that were open, so that going back to one is instant and keeps its running answer

const hashId = () => location.hash.match(/^#\/c\/(.+)$/)?.[1] ?? null;

export async function loadList() {
  const answer = await request("conversations.list", {
    limit: Math.max(PAGE, Math.min(conversations.value.length, 100)),
  });
  conversations.value = answer.conversations;
  moreConversations.value = answer.conversations.length >= PAGE;
}

export async function loadOlder() {
  const before = conversations.value.at(-1)?.id;
  const answer = await request("conversations.list", { limit: PAGE, before });
  conversations.value = [...conversations.value, ...answer.conversations];
  moreConversations.value = answer.conversations.length === PAGE;
}

export function newConversation() {
  thread.value = makeThread();
  if (hashId()) history.pushState(null, "", "#/");
}

export function openConversation(id) {
  if (thread.value.id.peek() === id) return;
  const opened = threads.get(id) ?? makeThread(id);
  keep(opened);
  thread.value = opened;
  if (hashId() !== id) history.pushState(null, "", `#/c/${id}`);
  if (!isRunning(opened)) loadMessages(opened);
}

/** A new conversation got its id with its first answer. */
export function named(opened, id, title, project) {
  opened.id.value = id;
  opened.phase.value = "ready";
  keep(opened);
  if (thread.value === opened) history.replaceState(null, "", `#/c/${id}`);
  if (conversations.value.some((known) => known.id === id)) return;
  const now = new Date().toISOString();
  const made = { id, title, project_id: project, created_at: now, updated_at: now };
  conversations.value = [made, ...conversations.value];
}

/** Reads the stored messages; answers that still run are followed from the point up to which they are stored. */
export async function loadMessages(opened) {
  opened.phase.value = opened.messages.value.length ? opened.phase.value : "loading";
  try {
    const answer = await request("conversations.messages", { conversation_id: opened.id.peek() });
    if (isRunning(opened)) return; // a turn began meanwhile: what is on the page is newer
    opened.messages.value = answer.messages.map((stored) => renewed(opened, stored));
    opened.phase.value = "ready";
  } catch (error) {
    opened.problem.value = error.message;
    opened.phase.value = error.temporary ? "failed" : "gone";
  }
}

/** The message on the page stays the same object where nothing changed, so that the reader's selection survives. */
function renewed(opened, stored) {
  const running = stored.status === "streaming" && stored.stream_id;
  const known = opened.messages.value.find((message) => message.id === stored.id);
  if (known && !running && known.content.value === stored.content && known.status.value === stored.status) {
    known.rating.value = stored.rating ?? null; // another tab or program may have rated it meanwhile
    return known;
  }
  const message = makeMessage(stored);
  if (running) follow(opened, message, stored);
  return message;
}

export async function deleteConversation(id) {
  await request("conversations.delete", { conversation_id: id });
  threads.delete(id);
  relist((list) => list.filter((known) => known.id !== id));
  if (thread.value.id.peek() === id) newConversation();
}

export async function rename(id, title) {
  const renamed = await renameConversation(id, title);
  relist((list) => list.map((known) => (known.id === id ? { ...known, title: renamed.title } : known)));
}

/** The list, and what a search found of it. */
function relist(change) {
  conversations.value = change(conversations.value);
  if (found.value) found.value = { ...found.value, list: change(found.value.list) };
}

let searches = 0;

/** Shows what the hub finds in the place of the list; without a text the list again. The last search counts. */
export async function search(text) {
  const own = ++searches;
  const shown = text.trim()
    ? await searchConversations(text.trim()).then(
        (list) => ({ list, problem: "" }),
        (error) => ({ list: [], problem: error.message }),
      )
    : null;
  if (own === searches) found.value = shown;
}

function keep(opened) {
  const id = opened.id.peek();
  threads.delete(id);
  threads.set(id, opened);
  for (const [old, candidate] of threads) {
    if (threads.size <= THREADS_MAX) break;
    if (candidate !== thread.value && !isRunning(candidate)) threads.delete(old);
  }
}

/** Another tab or program changed a conversation: what is open is read anew, what is merely kept is forgotten. */
function changedElsewhere(id) {
  const known = threads.get(id);
  if (known && known === thread.value) loadMessages(known);
  else if (known && !isRunning(known)) threads.delete(id);
  loadList().catch(() => {});
}

function fromAddress() {
  if (loginState.peek() !== "in" || location.hash === SETTINGS_ADDRESS) return; // which leaves the open one as it is
  const id = hashId();
  if (id) openConversation(id);
  else if (thread.value.id.peek()) thread.value = makeThread();
}

whenStale({ thread: loadMessages, conversation: changedElsewhere });
addEventListener("popstate", fromAddress);
onEvent("conversation.created", () => loadList().catch(() => {}));
onForget(() => threads.clear());
onConnected((_reply, fresh) => {
  if (!fresh) return;
  loadList().catch(() => {});
  for (const [id, known] of threads) if (known !== thread.value && !isRunning(known)) threads.delete(id);
  const opened = thread.value;
  if (opened.id.peek()) isRunning(opened) || loadMessages(opened);
  else if (!opened.messages.peek().length) fromAddress();
});
