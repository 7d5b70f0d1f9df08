/** Mounts the page and opens its connection: the hub's answer says whether anybody is signed in. */

import { html, render } from "htm/preact";

import "./js/account.js";
import "./js/announcements.js";
import "./js/conversations.js";
import "./js/notifications.js";
import { reconnect } from "./js/hub.js";
import { App } from "./views/app.js";

render(html`<${App} />`, document.getElementById("app"));
reconnect();
