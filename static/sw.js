/**
 * The service worker: shows what the hub pushes while no page is open, and leads to the page on a click. It answers no
 * requests of the page's, and keeps nothing.
 */

const API = "/api/notifications/push";
const ICON = "/static/icon-192.png";
const PLAIN = { title: "Smart AI Hub", body: "There is a new notification." };

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (event) => event.waitUntil(show(read(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(event.notification.data?.url));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew()));

/** What was pushed; a browser that shows nothing for a push may lose its subscription, so anything else is shown plainly. */
function read(data) {
  try {
    const note = data.json();
    return typeof note?.title === "string" ? note : PLAIN;
  } catch {
    return PLAIN;
  }
}

/** The same notification a second time takes the place of the first one. */
function show({ title, body, tag, url }) {
  return self.registration.showNotification(title, { body, tag, icon: ICON, data: { url } });
}

async function openPage(url) {
  const { href, origin, pathname } = new URL(url ?? "/", self.location.origin);
  const isOurs = origin === self.location.origin;
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((each) => new URL(each.url).pathname === (isOurs ? pathname : "/"));
  return page ? page.focus() : self.clients.openWindow(isOurs ? href : "/");
}

/** The browser's push service gave it another address. Whoever is signed in now may be somebody who never asked for this. */
async function renew() {
  const answer = await fetch(API);
  if (!answer.ok) return;
  const { publicKey, subscriptions } = (await answer.json()).data;
  if (!subscriptions.some(({ userAgent }) => userAgent === navigator.userAgent)) return;
  const options = { userVisibleOnly: true, applicationServerKey: publicKey };
  const subscription = await self.registration.pushManager.subscribe(options);
  const headers = { "Content-Type": "application/json" };
  await fetch(`${API}/subscriptions`, { method: "POST", headers, body: JSON.stringify(subscription) });
}
