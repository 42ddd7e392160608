// Projects and helpers: what stands beside chats.
import * as api from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { onTabs, tellTabs } from "../lib/tabs.js";
import { notify } from "./notices.js";
import { chooseProject } from "./sessions.js";
import { helpers, projectFilter, projects } from "./store.js";

const byName = (a, b) => a.name.localeCompare(b.name);

export function startAside() {
  onTabs("projects", learnProjects);
}

// Who looks at a project that is gone looks at all chats.
function learnProjects(list) {
  projects.value = list.sort(byName);
  if (projectFilter.value && !list.some(({ project_id }) => project_id === projectFilter.value)) chooseProject(null);
}

// Neither is needed to chat: a failure leaves them out until the next time.
export async function readAside() {
  const [some, others] = await Promise.allSettled([api.listProjects(), api.listHelpers()]);
  if (some.status === "fulfilled") learnProjects(some.value);
  if (others.status === "fulfilled") helpers.value = others.value;
}

function setProjects(list) {
  learnProjects(list);
  tellTabs("projects", list);
}

export async function addProject(name) {
  const project = await api.createProject(name);
  setProjects([...projects.value, project]);
  return project;
}

export async function changeProject(id, name) {
  const project = await api.renameProject(id, name);
  setProjects(projects.value.map((each) => (each.project_id === id ? { ...each, ...project } : each)));
}

export async function removeProject(id) {
  try {
    await api.deleteProject(id);
    setProjects(projects.value.filter(({ project_id }) => project_id !== id));
    notify("Project deleted. Its chats are kept.");
  } catch (error) {
    notify(`The project was not deleted. ${sentenceOf(error)}`, { kind: "error" });
  }
}
