/** The reader's projects: in which one a new conversation begins, and what is left of their budgets. */

import { effect } from "@preact/signals";

import { listProjects } from "./api.js";
import { onConnected } from "./hub.js";
import { conversations, modelId, models, projectId, projects, thread, wallet } from "./state.js";

let settled = null; // the balance when they were read last

async function load() {
  try {
    projects.value = await listProjects();
  } catch {
    return; // the last figures stand until the next time
  }
  if (!projects.value.some(({ id }) => id === projectId.value)) projectId.value = null;
}

/** With the model that the project is set to ask, where it can be asked. */
export function chooseProject(id) {
  projectId.value = id;
  const wanted = projects.value.find((project) => project.id === id)?.settings.default_model;
  if (models.value.some((model) => model.id === wanted && model.available !== false)) modelId.value = wanted;
}

/** The project of the open conversation: null for none, undefined where it is not known. */
export function openProject() {
  const id = thread.value.id.value;
  if (!id) return projectId.value;
  return conversations.value.find((known) => known.id === id)?.project_id;
}

/** What a project may still spend, in credits; null where it has no budget. */
export function budgetLeft({ settings, credits_used: used, credits_held: held }) {
  return settings.budget_limit === null ? null : Math.max(0, settings.budget_limit - used - held);
}

onConnected(load);
effect(() => {
  const balance = wallet.value?.credits ?? null;
  if (balance !== settled && projects.peek().length) load();
  settled = balance;
});
