/** What happens to users, newest first; narrowed down by type and user, and held still on request. */

import { html } from "htm/preact";

import { clock, facts } from "../js/admin-format.js";
import { choose, dropped, events, filters, knownTypes, pause, paused, waiting } from "../js/admin-feed.js";
import { count } from "../js/format.js";
import { LinkButton } from "./controls.js";

export function AdminEvents() {
  return html`<section class="events" id="events" tabindex="-1" aria-labelledby="events-title">
    <div class="events-head">
      <h2 id="events-title">Events</h2>
      <${Filters} />
    </div>
    <p class="events-note" role="status" data-test="events-note">${note()}</p>
    <ol class="event-list" tabindex="0" aria-label="Events, newest first">
      ${events.value.map((event) => html`<${Event} key=${event.key} event=${event} />`)}
    </ol>
    ${!events.value.length && html`<p class="events-empty">Nothing has happened yet that fits.</p>`}
  </section>`;
}

function note() {
  const parts = [];
  if (paused.value) parts.push(`Paused${waiting.value ? `, ${count(waiting.value, "new event")} waiting` : ""}.`);
  if (dropped.value) parts.push(`${count(dropped.value, "event")} left out: more came than can be shown.`);
  return parts.join(" ");
}

function Filters() {
  const { type, user } = filters.value;
  const given = (event) => choose({ user: event.currentTarget.value.trim() });
  return html`<form class="filters" onSubmit=${(event) => event.preventDefault()}>
    <label>
      <span>Type</span>
      <select data-test="filter-type" value=${type} onChange=${(event) => choose({ type: event.currentTarget.value })}>
        <option value="">All</option>
        ${knownTypes.value.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    </label>
    <label>
      <span>User</span>
      <input type="search" data-test="filter-user" value=${user} placeholder="user_…" maxlength="128"
        autocomplete="off" autocapitalize="none" spellcheck=${false} onChange=${given} />
    </label>
    <button type="button" class="button" data-test="pause" aria-pressed=${paused.value} onClick=${() => pause(!paused.value)}>
      ${paused.value ? "Go on" : "Pause"}
    </button>
  </form>`;
}

function Event({ event }) {
  return html`<li class="event" data-test="event" data-type=${event.type}>
    <time datetime=${event.created_at}>${clock(event.created_at)}</time>
    <span class="event-type">${event.type}</span>
    <span class="event-user"><${LinkButton} test="event-user" onClick=${() => choose({ user: event.user })}>${event.user}<//></span>
    <span class="event-facts">
      ${facts(event.data).map(([name, value]) => html`<span key=${name}><i>${name}</i> ${value}</span>`)}
    </span>
  </li>`;
}
