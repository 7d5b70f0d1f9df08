/**
 * The page's one connection and who listens to it: pushes and events by name, and what is to be done after each
 * (re)connection. Business modules register here; this module knows only who is signed in and the events' position.
 */

import { Connection } from "./connection.js";
import { announcement, forgetUser, link, loginNotice, loginState, user } from "./state.js";

const REGAINED_MS = 4_000;
const SOCKET_URL = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

const CLOSED_BECAUSE = {
  4504: "Too many connections are open for your account. Close other tabs, then reconnect.",
  4505: "The hub did not understand this page. Reload it to get the current version.",
};

const ORIGIN_REFUSED =
  `The hub does not accept pages from ${location.origin}. ` +
  "Open it at its own address, or have this one added to HUB_ALLOWED_ORIGINS.";

const pushes = new Map();
const events = new Map();
const connectedTasks = [];
const forgetTasks = [];
let position = null;
let regainedTimer = 0;

export const onPush = (type, handle) => pushes.set(type, handle);
export const onEvent = (type, handle) => events.set(type, handle);
/** `task(reply, fresh)`; fresh: events were missed, so whatever lists the page holds must be read anew. */
export const onConnected = (task) => connectedTasks.push(task);
export const onForget = (task) => forgetTasks.push(task);

const connection = new Connection({
  url: SOCKET_URL,
  position: () => position,
  isRefused,
  onConnected: connected,
  onPush: hear,
  onState: changed,
});

export function hear(frame) {
  pushes.get(frame.type)?.(frame);
}

/** The question of a preflight, put by hand: may pages from here use the cookie? */
async function isRefused() {
  try {
    const answer = await fetch("/ws", { method: "OPTIONS" });
    return answer.ok && answer.headers.get("Access-Control-Allow-Credentials") !== "true";
  } catch {
    return false; // nobody is there
  }
}

export const request = (type, fields, options) => connection.request(type, fields, options);
export const retryNow = () => connection.retryNow();
export const reconnect = () => connection.start();

/** Before the login is ended: its close code would otherwise be told as if it came from elsewhere. */
export const leave = () => connection.stop();

export function signedIn() {
  loginNotice.value = "";
  loginState.value = "starting";
  link.value = { name: "connecting" };
  connection.start();
}

export function signedOut(notice = "") {
  connection.stop();
  position = null;
  loginNotice.value = notice;
  loginState.value = "out";
  link.value = { name: "connecting" };
  forgetUser();
  for (const task of forgetTasks) task();
}

function connected(reply) {
  if (user.value && user.value.id !== reply.user.id) forgetUser(); // another tab signed somebody else in
  const fresh = !(position && reply.recovered);
  if (fresh) position = reply.position;
  user.value = reply.user;
  loginState.value = "in";
  for (const task of connectedTasks) task(reply, fresh);
}

onPush("event", ({ offset, event }) => {
  if (position && offset <= position.offset) return; // already seen before the connection was lost
  position = { ...position, offset };
  events.get(event.type)?.(event.data);
});

function changed(state) {
  clearTimeout(regainedTimer);
  if (state.name === "open") return opened();
  if (state.name === "lost")
    return (link.value = { name: loginState.value === "in" ? "lost" : "connecting", tried: true });
  if (state.code === 4501)
    return signedOut(loginState.value === "in" ? "Your login has ended. Please sign in again." : "");
  if (state.code === 4502) return signedOut("You were signed out, here or on another device.");
  if (state.refused) return (link.value = { name: "stopped", reason: ORIGIN_REFUSED });
  const reason = CLOSED_BECAUSE[state.code] ?? state.reason ?? "The hub closed the connection.";
  link.value = { name: "stopped", reason };
}

function opened() {
  const back = link.value.name === "lost" || link.value.name === "stopped";
  link.value = { name: back ? "regained" : "open" };
  if (!back) return;
  announcement.value = "Connected again.";
  regainedTimer = setTimeout(() => (link.value = { name: "open" }), REGAINED_MS);
}
