/**
 * What the reader wants to be told, and by which medium. A change is shown and sent at once, and taken back where the
 * hub does not take it.
 *
 *   choose -> waiting -> sent -> saved      shown = saved, with what was sent and what waits laid over it
 *
 * One request at a time: two changes of the same switch must arrive in their order. What waits is one change, whatever
 * number of switches was touched meanwhile.
 */

import { changeNotificationSettings, notificationSettings } from "./api.js";
import { NO_CHANGE, settings, thread } from "./state.js";

/** Where letters lead to. */
export const SETTINGS_ADDRESS = "#notifications";

/** Settings as they are with a change; both have the form of the hub's own. */
function changed(before, change) {
  const categories = { ...before.categories };
  for (const [name, media] of Object.entries(change.categories ?? {}))
    categories[name] = { ...categories[name], ...media };
  return { ...before, ...change, categories };
}

/** Null until they were read. */
export function shownSettings() {
  const { saved, sent, waiting } = settings.value;
  return saved.value && [sent.value, waiting.value].reduce(changed, saved.value);
}

/** Another device may have changed them since. While a change is on its way there is no need: its answer says all. */
export async function loadSettings() {
  const own = settings.value;
  if (own.busy) return;
  own.problem.value = "";
  await exchange(own, notificationSettings);
  await save(own);
}

export function choose(change) {
  const own = settings.value;
  own.problem.value = "";
  own.waiting.value = changed(own.waiting.value, change);
  if (!own.busy) save(own);
}

/** A reader who has gone meanwhile left another object in the place of theirs: nothing more is sent in their name. */
async function save(own) {
  while (own.waiting.value !== NO_CHANGE && settings.value === own) {
    const change = own.waiting.value;
    own.sent.value = change;
    own.waiting.value = NO_CHANGE;
    await exchange(own, () => changeNotificationSettings(change));
  }
}

async function exchange(own, ask) {
  own.busy = true;
  try {
    own.saved.value = await ask();
  } catch (error) {
    own.problem.value = own.sent.value === NO_CHANGE ? error.message : `Your change was not saved. ${error.message}`;
  }
  own.sent.value = NO_CHANGE;
  own.busy = false;
}

/** Whether the address asks for the settings. It does so once: then it names the open conversation again. */
export function takeSettingsAddress() {
  if (location.hash !== SETTINGS_ADDRESS) return false;
  const id = thread.value.id.peek();
  history.replaceState(null, "", id ? `#/c/${id}` : "#/");
  return true;
}
