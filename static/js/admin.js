/** Mounts the live monitor and opens its connection: the same login and the same socket as the conversation page's. */

import { html, render } from "htm/preact";

import "./account.js";
import "./admin-feed.js";
import "./announcements.js";
import { reconnect } from "./hub.js";
import { AdminApp } from "../views/admin.js";

render(html`<${AdminApp} />`, document.getElementById("app"));
reconnect();
