// The writer's own prompts: recent ones and kept ones, under the prompt field; a pinned one stands among the labels.
import { get, patch, post, Problem, remove as erase } from "./api.js";
import { announce, el, icon, redraw } from "./dom.js";
import * as store from "./store.js";
import { beginning } from "./words.js";

const { state } = store;
let recent = []; // texts of this draft's prompts, latest first
let pop = null;
let opener = null; // the button the menu belongs to
let field = null; // the prompt field
let trouble = "";
let renaming = null; // id
let name = ""; // what stands in a name field

export async function load() {
  if (!state.draft) return;
  try {
    const answer = await get(`/api/prompts?draft_id=${state.draft.id}`);
    recent = answer.recent;
    store.setPrompts(answer.prompts);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    trouble = `Your prompts could not be fetched. ${problem.sentence}`;
  }
}

async function attempt(work) {
  trouble = "";
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    trouble = problem.code === "offline" ? "The server can’t be reached, so nothing was changed. Try again." : problem.sentence;
    announce(trouble);
  }
  fill();
}

const byName = (a, b) => a.name.localeCompare(b.name);
const put = (prompt) => store.setPrompts([...state.prompts.filter((it) => it.id !== prompt.id), prompt].sort(byName));

const keep = () => attempt(async () => {
  const kept = await post("/api/prompts", { name: name.trim(), text: field.value.trim() });
  put(kept);
  name = "";
  announce(`Kept as “${kept.name}”.`);
});

const change = (prompt, changes, words) => attempt(async () => {
  put(await patch(`/api/prompts/${prompt.id}`, changes));
  renaming = null;
  announce(words);
});

const drop = (prompt) => attempt(async () => {
  await erase(`/api/prompts/${prompt.id}`);
  store.setPrompts(state.prompts.filter((it) => it.id !== prompt.id));
  announce(`“${prompt.name}” is removed.`);
  opener.focus();
});

function use(text) {
  field.value = text;
  close();
  field.focus();
}

function nameForm(label, words, submit) {
  const input = el("input", { type: "text", dir: "auto", maxlength: "80", autocomplete: "off", "aria-label": label, data: { key: "name" }, value: name, oninput: () => { name = input.value; } });
  return el("form", { class: "prompt-name", onsubmit: (event) => { event.preventDefault(); submit(); } }, input,
    el("button", { class: "button", type: "submit", data: { key: "name-done" } }, words));
}

function entry(prompt) {
  if (renaming === prompt.id) {
    return el("li", {}, nameForm(`New name of ${prompt.name}`, "Rename", () => change(prompt, { name: name.trim() }, `Renamed to “${name.trim()}”.`)));
  }
  const pin = prompt.pinned ? "Unpin" : "Pin";
  return el("li", {},
    el("button", { class: "prompt-use", type: "button", dir: "auto", title: prompt.text, data: { key: `use-${prompt.id}` }, onclick: () => use(prompt.text) }, prompt.name),
    el("button", {
      class: "quiet", type: "button", "aria-label": `${pin} ${prompt.name}`, title: prompt.pinned ? "Take it from the labels" : "Show it among the labels", data: { key: `pin-${prompt.id}` },
      onclick: () => change(prompt, { pinned: !prompt.pinned }, prompt.pinned ? `“${prompt.name}” is no label any more.` : `“${prompt.name}” stands among the labels.`),
    }, pin),
    el("button", {
      class: "quiet", type: "button", "aria-label": `Rename ${prompt.name}`,
      onclick: () => { renaming = prompt.id; name = prompt.name; fill(); pop.querySelector("[data-key=name]").select(); },
    }, "Rename"),
    el("button", { class: "quiet only-icon", type: "button", "aria-label": `Remove ${prompt.name}`, title: "Remove", onclick: () => drop(prompt) }, icon("bin")));
}

function fill() {
  if (!pop) return;
  const text = field.value.trim();
  const known = state.prompts.some((it) => it.text === text);
  const others = recent.filter((it) => !state.prompts.some((kept) => kept.text === it));
  redraw(pop,
    trouble ? el("p", { class: "message bad", role: "alert" }, trouble) : null,
    text && !known ? [el("h4", {}, "Keep this prompt"), el("p", { class: "dim", dir: "auto" }, beginning(text, 90)), nameForm("Name of the prompt", "Keep", keep)] : null,
    state.prompts.length ? [el("h4", {}, "Kept"), el("ul", { "aria-label": "Kept prompts" }, state.prompts.map(entry))] : null,
    others.length ? [el("h4", {}, "Recent in this draft"), el("ul", { "aria-label": "Recent prompts" }, others.map((it) => el("li", {}, el("button", { class: "prompt-use", type: "button", dir: "auto", title: it, onclick: () => use(it) }, beginning(it, 70)))))] : null,
    !text && !state.prompts.length && !others.length && !trouble ? el("p", { class: "dim" }, "Write a prompt in the field and open this again to keep it under a name. Pin one, and it stands among the labels.") : null);
  place();
}

function place() {
  const at = opener.getBoundingClientRect();
  const box = pop.getBoundingClientRect();
  pop.style.left = `${Math.max(8, Math.min(at.right - box.width, innerWidth - box.width - 8))}px`;
  pop.style.top = `${Math.max(8, at.top - box.height - 4)}px`;
}

function close() {
  if (!pop) return;
  pop.remove();
  pop = null;
  opener.setAttribute("aria-expanded", "false");
}

async function toggle() {
  if (pop) {
    close();
    return;
  }
  [trouble, renaming] = ["", null];
  name = beginning(field.value, 40).replace(/…$/, "");
  pop = el("div", {
    class: "pop prompts", role: "group", "aria-label": "Your prompts",
    onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
      opener.focus();
    },
  });
  opener.after(pop);
  opener.setAttribute("aria-expanded", "true");
  fill();
  await load();
  fill();
  pop?.querySelector("input, button")?.focus();
}

/** The button beside the prompt field. */
export function menuButton(input) {
  close();
  field = input;
  opener = el("button", { class: "quiet only-icon", type: "button", "aria-expanded": "false", "aria-haspopup": "true", "aria-label": "Your prompts", title: "Recent and kept prompts", onclick: toggle }, icon("caret"));
  return opener;
}

export const pinned = () => state.prompts.filter((prompt) => prompt.pinned);

export function start() {
  let loaded = null;
  store.on("draft", () => {
    if (!state.draft || loaded === state.draft.id) return;
    loaded = state.draft.id;
    load();
  });
  addEventListener("pointerdown", (event) => { if (pop && !pop.contains(event.target) && !opener.contains(event.target)) close(); });
  addEventListener("resize", close);
}
