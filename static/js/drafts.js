// The draft's title, and the menu of drafts: open, new, delete with a question and a way back.
import { get, post, Problem, remove } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import * as store from "./store.js";
import { ago, plural } from "./words.js";

const { state } = store;
const UNDO_SECONDS = 7;
const doomed = new Map(); // draft id → timer
let asking = null; // draft id being asked about
let menu = null;

async function refresh() {
  const { drafts } = await get("/api/drafts");
  store.setDrafts(drafts);
}

async function guarded(work) {
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    notice(problem.sentence, { bad: true, actions: [["Try again", () => guarded(work)]] });
  }
}

const create = (body) => guarded(async () => {
  // What is typed on the way is not meant for the draft that is left.
  document.body.inert = true;
  try {
    await outbox.settled();
    const draft = await post("/api/drafts", body);
    location.assign(`/drafts/${draft.id}`);
  } catch (problem) {
    document.body.inert = false;
    throw problem;
  }
});

function doom(id) {
  asking = null;
  doomed.set(id, setTimeout(() => carryOut(id), UNDO_SECONDS * 1000));
  fill();
}

function spare(id) {
  clearTimeout(doomed.get(id));
  doomed.delete(id);
  fill();
}

const carryOut = (id) => guarded(async () => {
  clearTimeout(doomed.get(id));
  doomed.delete(id);
  await remove(`/api/drafts/${id}`, { keepalive: true });
  if (id === state.draft.id) location.assign("/");
  else await refresh();
});

function entry(draft) {
  const title = draft.id === state.draft.id ? state.draft.title : draft.title;
  if (doomed.has(draft.id)) {
    return el("li", {}, el("div", { class: "ask" }, el("span", { class: "name dim" }, `“${title}” is deleted.`),
      el("button", { class: "button", type: "button", data: { key: `undo-${draft.id}` }, onclick: () => spare(draft.id) }, "Undo")));
  }
  if (asking === draft.id) {
    return el("li", {}, el("div", { class: "ask" }, el("span", { class: "name" }, `Delete “${title}”?`),
      el("button", { class: "button danger", type: "button", data: { key: "yes" }, onclick: () => { doom(draft.id); menu.querySelector(`[data-key="undo-${draft.id}"]`)?.focus(); } }, "Delete"),
      el("button", { class: "button", type: "button", onclick: () => { asking = null; fill(); } }, "Keep")));
  }
  return el("li", {},
    el("a", { href: `/drafts/${draft.id}`, "aria-current": draft.id === state.draft.id ? "page" : null },
      el("span", { class: "name", dir: "auto" }, title || "Untitled"), el("span", { class: "when" }, `${plural(draft.words ?? 0, "word")} · ${ago(draft.updated_at)}`)),
    el("button", { class: "quiet only-icon", type: "button", "aria-label": `Delete “${title}”`, title: "Delete", onclick: () => { asking = draft.id; fill(); menu.querySelector("[data-key=yes]")?.focus(); } }, icon("bin")));
}

function fill() {
  if (!menu) return;
  menu.replaceChildren(
    el("ul", {}, state.drafts.map(entry)),
    el("div", { class: "foot" },
      el("button", { class: "button", type: "button", onclick: () => create({}) }, icon("plus"), "New draft"),
      el("button", { class: "quiet", type: "button", onclick: () => create({ sample: true }) }, "Copy of the sample")));
}

function close() {
  if (!menu) return;
  menu.remove();
  menu = null;
  asking = null;
  byId("drafts-button").setAttribute("aria-expanded", "false");
}

async function toggle() {
  if (menu) {
    close();
    return;
  }
  menu = el("div", { class: "pop drafts-menu", role: "group", "aria-label": "Your drafts" });
  fill();
  byId("title").parentElement.append(menu);
  byId("drafts-button").setAttribute("aria-expanded", "true");
  await guarded(refresh);
  menu?.querySelector("a, button")?.focus();
}

export function start() {
  const button = byId("drafts-button");
  button.append(icon("drafts"));
  button.addEventListener("click", toggle);
  addEventListener("pointerdown", (event) => { if (menu && !event.target.closest(".bar-draft")) close(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu) return;
    close();
    button.focus();
  });
  // A delete that still could be undone is carried out when the page goes.
  addEventListener("pagehide", () => { for (const id of doomed.keys()) remove(`/api/drafts/${id}`, { keepalive: true, seconds: 0 }).catch(() => {}); });

  store.on("drafts", fill);
  title.start();
}

/** Only the title, where the drafts themselves are given. */
export const title = { start: startTitle };

function startTitle() {
  const title = byId("title");
  title.addEventListener("keydown", (event) => {
    if (event.key === "Enter") title.blur();
    if (event.key === "Escape") {
      title.value = state.draft.title;
      title.blur();
    }
  });
  title.addEventListener("change", () => {
    const wanted = title.value.trim() || "Untitled draft";
    title.value = wanted;
    if (wanted === state.draft.title) return;
    store.setTitle(wanted);
    outbox.keepTitle(wanted);
  });
  const drawTitle = () => {
    if (!state.draft) return;
    if (document.activeElement !== title) title.value = state.draft.title;
    title.title = state.draft.title;
    document.title = `${state.draft.title} · SpatialBalancing`;
  };
  store.on("draft title", drawTitle);
  store.on("title", fill);
}
