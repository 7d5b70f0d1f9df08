/** Which project a new conversation begins in, and what is left of its budget. Who has no projects sees nothing of it. */

import { html } from "htm/preact";

import { credits } from "../js/format.js";
import { budgetLeft, chooseProject, openProject } from "../js/projects.js";
import { projects, thread } from "../js/state.js";

export function ProjectPicker() {
  const open = openProject();
  if (!projects.value.length || open === undefined) return null;
  const project = projects.value.find(({ id }) => id === open);
  if (thread.value.id.value) return project ? html`<p class="project"><${Named} project=${project} /></p>` : null;
  return html`<p class="project">
    <label class="visually-hidden" for="project">Project</label>
    <select
      id="project"
      data-test="project"
      value=${open ?? ""}
      onChange=${({ currentTarget: { value } }) => chooseProject(value ? Number(value) : null)}
    >
      <option value="">No project</option>
      ${projects.value.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
    </select>
    ${project && html`<${Left} project=${project} />`}
  </p>`;
}

const Named = ({ project }) => html`<span data-test="project-name">
  <span class="visually-hidden">Project: </span>${project.name}
</span>
<${Left} project=${project} />`;

function Left({ project }) {
  const left = budgetLeft(project);
  return left !== null && html`<span data-test="project-left">${credits(left)} credits left of its budget</span>`;
}
