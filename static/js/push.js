/**
 * Notifications while no page is open: this browser's subscription, by which the hub reaches it through its push service.
 * The hub pushes to it while the login stands that made it; after another sign-in of the same user it is posted anew.
 */

import * as api from "./api.js";
import { onConnected } from "./hub.js";
import { push, user } from "./state.js";
import { forget, recall, remember } from "./storage.js";

const OWN_KEY = "hub.push"; // {user, id}: whose subscription this browser has, and what the hub calls it
const WORKER = "/sw.js";

const isSupported = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** What the hub calls the reader's own subscription in this browser; null where there is none, or it is somebody else's. */
function ownId() {
  try {
    const own = JSON.parse(recall(OWN_KEY));
    return own.user === user.value.id ? own.id : null;
  } catch {
    return null;
  }
}

async function subscribed() {
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Reads how it stands: the reader may have changed the browser's settings, or another tab the subscription. */
export async function look() {
  push.value = { ...push.value, name: await found() };
}

async function found() {
  if (!isSupported()) return "unsupported";
  if (Notification.permission === "denied") return "blocked";
  return ownId() && (await subscribed().catch(() => null)) ? "on" : "off";
}

/** Has to be called by a click: browsers ask for the permission only then. */
export const turnOn = () =>
  attempt(async () => {
    const permission = await Notification.requestPermission();
    if (permission === "denied") return; // which `look` finds
    if (permission !== "granted") throw new Error("The browser was not allowed to show notifications.");
    const { publicKey } = await api.pushKey();
    await navigator.serviceWorker.register(WORKER);
    const subscription = await subscribe(publicKey);
    await save(subscription).catch(async (error) => {
      await subscription.unsubscribe();
      throw error;
    });
  });

export const turnOff = () =>
  attempt(async () => {
    const id = ownId();
    forget(OWN_KEY);
    // Where the hub is not told, the push service will tell it.
    if (id) await api.removePushSubscription(id).catch(() => {});
    await (await subscribed())?.unsubscribe();
  });

/** After a sign-out of the reader's own: the push service is to forget this browser too. */
export async function leaveBrowser() {
  if (!isSupported() || !ownId()) return;
  forget(OWN_KEY);
  await (await subscribed())?.unsubscribe();
}

async function attempt(change) {
  push.value = { ...push.value, busy: true, problem: "" };
  let problem = "";
  try {
    await change();
  } catch (error) {
    problem = error instanceof DOMException ? `The browser could not subscribe: ${error.message}` : error.message;
  }
  push.value = { name: await found(), busy: false, problem };
}

/** One that was made for another key of the hub's would be refused by the push service. */
async function subscribe(publicKey) {
  const { pushManager } = await navigator.serviceWorker.ready;
  const before = await pushManager.getSubscription();
  if (before && !isFor(before, publicKey)) await before.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
}

function isFor(subscription, publicKey) {
  const bytes = String.fromCharCode(...new Uint8Array(subscription.options.applicationServerKey ?? []));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === publicKey;
}

async function save(subscription) {
  const { id } = await api.addPushSubscription(subscription.toJSON());
  remember(OWN_KEY, JSON.stringify({ user: user.value.id, id }));
}

/** Whatever the hub or the browser has lost since this was switched on is mended; where that fails, at the next visit. */
async function mend() {
  const id = ownId();
  if (!id || !isSupported() || Notification.permission !== "granted") return;
  const { publicKey, subscriptions } = await api.pushKey();
  const own = await subscribed();
  if (own && isFor(own, publicKey) && subscriptions.some((known) => known.id === id)) return;
  await navigator.serviceWorker.register(WORKER);
  await save(await subscribe(publicKey));
}

let mended = null; // the user for whom this page has done it

onConnected((reply) => {
  if (mended === reply.user.id) return;
  mended = reply.user.id;
  mend().catch(() => {});
});
