// The list twin of the canvas: every version that is not mid-typing, readable and reachable without a pointer.
import { archiveAll, open, pick } from "./actions.js";
import { novelty } from "./candidates.js";
import { byId, el, icon, redraw } from "./dom.js";
import { labelOf } from "./generations.js";
import { face, hoverIn, hoverOut, nameOf } from "./nodes.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { beginning, KIND_WORDS, kindOf, moveWords, plural } from "./words.js";

const { state } = store;
const root = () => byId("history");
let whose = "paragraph";
let status = "all";
let listedFor = null;
let query = "";
let noting = 0;
const NOTED_AFTER = 1200;
const SEARCHED_FROM = 6; // with fewer versions the eye is quicker

function select(label, value, options, change) {
  return el("select", { "aria-label": label, data: { key: label }, onchange: (event) => { change(event.target.value); draw(); } },
    Object.entries(options).map(([key, words]) => el("option", { value: key, selected: key === value }, words)));
}

function listed() {
  return [...state.versions.values()].filter((version) =>
    !version.folded && store.numberOf(version.paragraph_id) > 0 && version.text.trim()
    && (whose === "draft" || (query && !state.paragraph) || version.paragraph_id === state.paragraph)
    && (version.archived === (status === "archived") || (query && status === "all"))
    && (["all", "archived"].includes(status) || kindOf(version) === status)
    && matches(version));
}

/** Proposed or discarded, and neither in the draft nor put away: what tidying archives. */
const notKept = () => [...state.versions.values()].filter((version) =>
  version.paragraph_id === state.paragraph && ["proposed", "discarded"].includes(version.status) && !version.archived && !store.isHead(version));

function tidy() {
  const left = notKept();
  if (whose !== "paragraph" || status === "archived" || !left.length) return null;
  const words = `Archive the ${plural(left.length, "version")} of this paragraph that you have not kept. They stay in the history.`;
  return el("button", { class: "quiet only-icon", type: "button", data: { key: "tidy" }, title: words, "aria-label": words, onclick: () => archiveAll(left.map((it) => it.id)) }, icon("box"));
}

/** Every word that is looked for stands in the version's text or in what it is called. */
function matches(version) {
  const hay = `${version.text} ${labelOf(version.label)?.name ?? ""} v${version.number}`.toLocaleLowerCase();
  return query.toLocaleLowerCase().split(/\s+/).every((word) => hay.includes(word));
}

// One element for good: drawn anew, its caret would jump while the writer types.
const search = el("input", {
  type: "search", class: "search", "aria-label": "Search the history", placeholder: "Search the history", autocomplete: "off", data: { key: "search" },
  oninput: () => {
    query = search.value.trim();
    draw();
    clearTimeout(noting);
    noting = setTimeout(() => { if (query) record("history.searched", { chars: query.length, found: listed().length }); }, NOTED_AFTER);
  },
});

/** Children under their parent, oldest first; whose parent is filtered out stands at the left. */
function tree(versions) {
  const shown = new Set(versions.map((version) => version.id));
  const above = (version) => {
    for (let at = store.parentOf(version); at; at = store.parentOf(at)) if (shown.has(at.id)) return at.id;
    return null;
  };
  const under = Map.groupBy(versions.sort((a, b) => store.numberOf(a.paragraph_id) - store.numberOf(b.paragraph_id) || a.number - b.number), above);
  const lines = [];
  const walk = (id, depth) => {
    for (const version of under.get(id) || []) {
      lines.push({ version, depth });
      walk(version.id, depth + 1);
    }
  };
  walk(null, 0);
  return lines;
}

/** What tells it from its neighbours: what it has that its parent has not. */
function words(version) {
  const parent = store.parentOf(version);
  return parent ? novelty(version, parent) : version.text;
}

function line({ version, depth }) {
  const { kind, parts } = face(version);
  const label = labelOf(version.label)?.name ?? (version.operation === "prompt" ? "Your own prompt" : null);
  const made = version.parents.length > 1 ? `Combined v${store.parentsOf(version).map((it) => it.number).join(" + v")}` : null;
  const what = made ?? label ?? { original: "Original", typed: "Typed by hand" }[kind] ?? (version.operation === "manual" ? "Typed by hand" : "Original");
  const move = has.scores ? moveWords(version, store.parentOf(version)) : "";
  const row = el("li", {}, el("button", {
    type: "button", data: { key: `history-${version.id}`, lit: version.id === state.hovered, picked: state.picked.includes(version.id) },
    "aria-current": version.id === state.selected ? "true" : null,
    "aria-label": nameOf(version),
    onclick: (event) => (event.shiftKey ? pick(version.id) : open(version.id)),
    onpointerenter: () => hoverIn(version.id), onpointerleave: () => hoverOut(version.id),
    onkeydown: (event) => step(event, version.id),
  },
  el("span", { class: "node mini", "aria-hidden": "true", data: { kind, head: store.isHead(version) } }, parts),
  el("span", { class: "line" }, `${what}${move ? `: ${move}` : ""}`, el("span", { class: "line-words", dir: "auto" }, beginning(words(version), 90))),
  el("span", { class: "note" }, store.isHead(version) ? `in the draft · v${version.number}` : `${kind === "confirmed" || kind === "discarded" ? `${KIND_WORDS[kind]} · ` : ""}v${version.number}`)));
  row.style.setProperty("--depth", depth);
  return row;
}

function step(event, id) {
  if (event.key === "x" && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    event.stopPropagation();
    pick(id);
    return;
  }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const all = [...root().querySelectorAll("li button")];
  all[all.indexOf(event.currentTarget) + by]?.focus();
}

function draw() {
  if (!state.draft) return;
  listedFor = state.paragraph;
  const lines = tree(listed());
  redraw(root(),
    el("div", { class: "head-row history-head" }, el("h3", {}, "History"), tidy(),
      el("div", { class: "filters" },
        select("Versions of", whose, { paragraph: "this paragraph", draft: "the whole draft" }, (value) => { whose = value; }),
        select("Which versions", status, { all: "all", proposed: "proposed", confirmed: "confirmed", combined: "combined", typed: "typed by hand", original: "original", discarded: "discarded", archived: "archived" }, (value) => { status = value; }))),
    state.versions.size > SEARCHED_FROM ? search : null,
    lines.length ? el("ul", { class: "history" }, lines.map(line))
      : el("p", { class: "panel-empty" }, query ? "Nothing like that here. Try fewer words, or look in the whole draft." : status === "all" ? (whose === "paragraph" && !state.paragraph ? "Select a paragraph to see its versions." : "No versions yet.") : "No version like that here."));
}

/** Another version of the same paragraph was selected: the list stays. */
function mark() {
  for (const button of root().querySelectorAll("li button")) {
    if (button.dataset.key === `history-${state.selected}`) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Hovering only lights a line; building the list anew would take the pointer's target away. */
function light() {
  for (const button of root().querySelectorAll("li button")) {
    button.dataset.lit = button.dataset.key === `history-${state.hovered}`;
    button.dataset.picked = state.picked.some((id) => button.dataset.key === `history-${id}`);
  }
}

export function start() {
  store.on("versions draft labels selection", (topics) => {
    if (topics.size === 1 && topics.has("selection") && state.paragraph === listedFor) mark();
    else draw();
  });
  store.on("hover picked", light);
}
