/** The monitor: figures of this second, plots of the last hour, and what happens to users. */

import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";

import { logout } from "../js/account.js";
import { samples } from "../js/admin-feed.js";
import { AdminEvents } from "./admin-events.js";
import { PLOTS, Plot } from "./admin-plot.js";
import { Tiles } from "./admin-tiles.js";
import { Announcements } from "./announcements.js";
import { IconButton } from "./controls.js";
import { Chat, Leave, Logo } from "./icons.js";
import { StatusBanner } from "./status-banner.js";
import { ThemeButton } from "./theme-button.js";

export function AdminShell() {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    document.title = "Live monitor – Smart AI Hub";
  }, []);
  const leave = () => logout().catch((error) => setProblem(error.message));
  return html`<div class="monitor">
    <a class="skip" href="#events">Skip to the events</a>
    <header class="monitor-head">
      <${Logo} />
      <h1>Live monitor</h1>
      <div class="header-end">
        <a class="icon-button" href="/" aria-label="Conversations" title="Conversations"><${Chat} /></a>
        <${ThemeButton} />
        <${IconButton} icon=${Leave} label="Sign out" test="logout" onClick=${leave} />
      </div>
    </header>
    <${StatusBanner} />
    <${Announcements} />
    ${problem && html`<p class="notice notice-bad" role="alert">${problem}</p>`}
    <main class="monitor-body">
      <${Tiles} />
      <section class="plots" aria-labelledby="plots-title">
        <h2 id="plots-title">The last hour <${Span} /></h2>
        <div class="plot-grid">${PLOTS.map((plot) => html`<${Plot} key=${plot.title} ...${plot} />`)}</div>
      </section>
      <${AdminEvents} />
    </main>
  </div>`;
}

/** How much of the hour there is: a hub that has just started has little. */
function Span() {
  void samples.version.value;
  const times = samples.columns.time;
  const minutes = times.length ? Math.round((times.at(-1) - times[0]) / 60) : 0;
  if (minutes >= 59) return null;
  return html`<small class="span" data-test="span">${minutes < 1 ? "less than a minute so far" : `${minutes} min so far`}</small>`;
}
