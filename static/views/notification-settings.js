/** What to be told, and by which medium: a switch for each medium, and below it each category by each of them. */

import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { choose, loadSettings, shownSettings } from "../js/notification-settings.js";
import { settings } from "../js/state.js";
import { LinkButton, Switch } from "./controls.js";

const MEDIA = [
  { name: "email", key: "emailNotifications", label: "By e-mail", short: "E-mail" },
  {
    name: "push",
    key: "pushNotifications",
    label: "By push to your browsers",
    short: "Push",
    hint: "A browser is told once “Notify me in this browser” is on there.",
  },
  { name: "inApp", key: "inAppNotifications", label: "Here, behind the bell", short: "Here" },
];

const CATEGORIES = [
  { name: "account", label: "Account" },
  { name: "billing", label: "Billing" },
  { name: "security", label: "Security" },
  { name: "system", label: "System" },
  { name: "webhooks", label: "Webhooks" },
  { name: "workflows", label: "Workflows" },
];

export function NotificationSettings({ onBack }) {
  const heading = useRef(null);
  useLayoutEffect(() => heading.current.focus(), []);
  useEffect(() => void loadSettings(), []);
  const shown = shownSettings();
  const names = { role: "dialog", "aria-labelledby": "settings-title", "data-test": "settings-view" };
  return html`<div class="panel bell-panel settings" ...${names}>
    <div class="panel-head">
      <h2 id="settings-title" tabindex="-1" ref=${heading}>Notification settings</h2>
      <${LinkButton} test="settings-back" onClick=${onBack}>Back<//>
    </div>
    ${shown && html`<${Media} shown=${shown} /><${Categories} shown=${shown} />`}
    ${!shown && !settings.value.problem.value && html`<p class="panel-empty late" role="status">Loading…</p>`}
    <${Problem} again=${!shown} />
  </div>`;
}

const Media = ({ shown }) => html`<fieldset>
  <legend>How to tell you</legend>
  <div>${MEDIA.map((medium) => html`<${Medium} key=${medium.name} medium=${medium} on=${shown[medium.key]} />`)}</div>
</fieldset>`;

function Medium({ medium: { name, key, label, hint }, on }) {
  const id = hint && `medium-${name}-hint`;
  return html`<${Switch} test=${`medium-${name}`} on=${on} hint=${id} onToggle=${(wanted) => choose({ [key]: wanted })}>
      ${label}
    <//>
    ${hint && html`<p class="push-hint" id=${id}>${hint}</p>`}`;
}

function Categories({ shown }) {
  const silent = MEDIA.filter(({ key }) => !shown[key]);
  return html`<fieldset aria-describedby="settings-note">
    <legend>What to tell you</legend>
    <table class="choices">
      <thead>
        <tr>
          <td></td>
          ${MEDIA.map(({ name, short }) => html`<th key=${name} scope="col">${short}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${CATEGORIES.map((category) => html`<${Category} key=${category.name} category=${category} shown=${shown} />`)}
      </tbody>
    </table>
    <div class="settings-note" id="settings-note">
      ${silent.map(({ name, short }) => html`<p key=${name}>“${short}” is off for everything, whatever is ticked.</p>`)}
      <p>E-mails that your account's safety needs, such as a link for a new password, always come.</p>
    </div>
  </fieldset>`;
}

const Category = ({ category, shown }) => html`<tr>
  <th scope="row">${category.label}</th>
  ${MEDIA.map((medium) => html`<${Choice} key=${medium.name} category=${category} medium=${medium} shown=${shown} />`)}
</tr>`;

function Choice({ category, medium, shown }) {
  const change = ({ currentTarget: { checked } }) =>
    choose({ categories: { [category.name]: { [medium.name]: checked } } });
  const test = `${category.name}-${medium.name}`;
  const name = `${category.label}: ${medium.short}`;
  const on = shown.categories[category.name][medium.name];
  return html`<td class=${shown[medium.key] ? "" : "choice-silent"}>
    <label><input type="checkbox" data-test=${test} aria-label=${name} checked=${on} onChange=${change} /></label>
  </td>`;
}

/** It stays in sight however far the panel was scrolled. */
function Problem({ again }) {
  const problem = settings.value.problem.value;
  return html`<div class="settings-problem" role="alert" data-test="settings-problem">
    ${problem && html`<p class="field-bad">${problem}</p>`}
    ${problem && again && html`<${LinkButton} onClick=${loadSettings}>Try again<//>`}
  </div>`;
}
