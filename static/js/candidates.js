// What is being written, word by word, and what came of it, best first.
import { byId, el, icon, redraw } from "./dom.js";
import { open } from "./actions.js";
import { mergeNow } from "./combine.js";
import { openCompare } from "./compare.js";
import { dismiss, labelOf, retry, stop, titleOf } from "./generations.js";
import { hoverIn, hoverOut } from "./nodes.js";
import { showPane } from "./panes.js";
import { openSources } from "./sources.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { beginning, flagWords, KIND_WORDS, kindOf, moveParts, plural } from "./words.js";

const { state } = store;
const root = () => byId("candidates");
let shown = null; // the generation on screen
let words = []; // its live text nodes, by index


function waitingWords(generation) {
  if (generation.stopping) return "Stopping…";
  if (generation.status === "asking") return "Asking…";
  if (generation.status === "running" && generation.other_version_id) return "Joining their sentences; the best result lands.";
  if (generation.status === "running") return `Writing ${plural(generation.slots, "version")}…`;
  if (generation.position > 0) return `${plural(generation.position, "other writer")} ${generation.position === 1 ? "is" : "are"} ahead of you.`;
  const other = [...state.generations.values()].some((it) => it !== generation && store.running(it) && it.status !== "asking");
  return other ? "Waiting for your other revision to finish." : "Next in line…";
}

function live(generation) {
  words = [];
  const cards = Array.from({ length: generation.slots }, (_, index) => {
    const id = generation.versions[index];
    if (id) return result(store.versionOf(id));
    if (generation.gone?.[index]) return null;
    const node = el("p", { class: "words", dir: "auto" }, generation.partial[index] || "");
    words[index] = node;
    return el("div", { class: "candidate live" }, node);
  });
  return [
    el("div", { class: "head-row" },
      el("h3", {}, titleOf(generation)),
      el("button", { class: "button", type: "button", data: { key: "stop" }, "aria-disabled": generation.stopping ? "true" : null, onclick: () => stop(generation.id), title: "Stop (.)" }, icon("stop"), "Stop")),
    el("p", { class: "dim" }, waitingWords(generation)),
    ...(generation.status === "asking" ? [] : cards),
  ];
}

/** One landed version as a row to open; hovering it previews it in the draft. */
function result(version) {
  const parent = store.parentOf(version);
  const parts = moveParts(version, parent);
  const order = parts && (parts.x.moved || !parts.y.moved) ? ["x", "y"] : ["y", "x"];
  const moves = !has.scores ? `version ${version.number}` : !parts ? "not measured" : !parts.x.moved && !parts.y.moved ? "hardly moved" : order.map((axis, i) => [
    el("span", { class: parts[axis].moved > 0 ? `up-${axis}` : parts[axis].moved < 0 ? `down-${axis}` : "" }, parts[axis].words), i ? "" : ", "]);
  const flags = flagWords(version.flags);
  const kind = kindOf(version);
  return el("button", {
    class: "candidate result", type: "button", data: { key: `result-${version.id}` },
    "aria-current": version.id === state.selected ? "true" : null,
    onclick: () => { open(version.id); showPane("version"); },
    onpointerenter: () => hoverIn(version.id), onpointerleave: () => hoverOut(version.id),
    onfocus: () => hoverIn(version.id), onblur: () => hoverOut(version.id),
  },
  el("span", { class: "meta" }, el("span", { class: "moves" }, moves), kind === "proposed" ? "" : el("span", {}, KIND_WORDS[kind]), el("span", {}, flags.join(", "))),
  el("span", { class: "snippet", dir: "auto" }, beginning(novelty(version, parent), 220)));
}

/** What the version has that its parent has not: for a spliced sentence, the sentence. */
export function novelty(version, parent) {
  const [text, old] = [version.text, parent?.text ?? ""];
  let start = 0;
  while (start < text.length && text[start] === old[start]) start += 1;
  let end = 0;
  while (end < Math.min(text.length, old.length) - start && text.at(-1 - end) === old.at(-1 - end)) end += 1;
  const from = text.lastIndexOf(" ", start - 1) + 1;
  // “…lit. T|elomerase” and “|Think…”: what both edges share belongs to the old text on the right.
  const shared = text.slice(from, start);
  if (shared && text.slice(text.length - end - shared.length, text.length - end) === shared) end += shared.length;
  const fresh = text.slice(from, text.length - end).trim();
  if (!fresh) return text;
  return (from > 0 ? "… " : "") + fresh + (end > 1 ? " …" : "");
}

/** Where a label could do more with a source, the way to it. */
function attachButton(generation) {
  const wants = labelOf(generation.label)?.strategies.some((strategy) => strategy.source);
  if (!wants || generation.strategy || state.sources.length) return null;
  return el("div", { class: "row" }, el("button", { class: "button", type: "button", data: { key: "attach" }, onclick: openSources }, "Attach a source"));
}

function done(generation) {
  const ids = (generation.ranking?.length ? generation.ranking : Object.values(generation.versions)).filter((id) => store.versionOf(id) && !store.versionOf(id).archived);
  return [
    el("div", { class: "head-row" },
      el("h3", {}, `${titleOf(generation)}: ${ids.length > 1 ? `${ids.length} versions, best first` : plural(ids.length, "version")}`)),
    generation.message ? el("div", { class: "message" }, el("p", {}, generation.message), attachButton(generation)) : null,
    ...ids.map((id) => result(store.versionOf(id))),
  ];
}

/** Two versions can be made into one without the model, too. */
function withoutModel({ parent_version_id: a, other_version_id: b, mix, problem }) {
  if (!b) return null;
  if (problem?.code === "nothing-between") return el("button", { class: "button", type: "button", data: { key: "compare" }, onclick: () => openCompare([a, b]) }, "Compare");
  return el("button", { class: "button", type: "button", data: { key: "merge" }, onclick: () => mergeNow(a, b, mix) }, "Sentence merge, without the model");
}

/** Cancelled or failed: what happened, what was kept, and the way on. */
function ended(generation) {
  const problem = generation.problem || {};
  const partial = Object.entries(generation.partial || {}).filter(([index, text]) => text.trim() && !generation.versions[index]);
  const ids = Object.values(generation.versions).filter((id) => state.versions.has(id));
  const kept = ids.length ? ` ${plural(ids.length, "version")} had landed and ${ids.length === 1 ? "is" : "are"} kept.` : "";
  const failed = generation.status === "failed";
  const what = failed ? problem.detail || problem.what || "The model stopped before it was done." : "Stopped before it was done.";
  return [
    el("div", { class: "head-row" }, el("h3", {}, titleOf(generation))),
    el("div", { class: failed ? "message bad" : "message", role: failed ? "alert" : null },
      el("p", {}, `${what}${problem.mend && !what.includes(problem.mend) ? ` ${problem.mend}` : ""}${kept}`),
      el("div", { class: "row" },
        el("button", { class: "button", type: "button", data: { key: "retry" }, onclick: () => retry(generation.id) }, "Try again"),
        withoutModel(generation),
        el("button", { class: "quiet", type: "button", onclick: () => dismiss(generation.id) }, "Dismiss"))),
    ...ids.map((id) => result(store.versionOf(id))),
    ...partial.map(([, text]) => el("div", { class: "candidate live" },
      el("p", { class: "meta" }, "Unfinished, not a version"), el("p", { class: "words", dir: "auto" }, text))),
  ];
}

/** After a reload: versions made together, whose generation the server no longer sends. */
function siblings(version) {
  if (!version?.generation_id) return [];
  const found = [...state.versions.values()].filter((it) => it.generation_id === version.generation_id && !it.folded && !it.archived);
  if (found.length < 2) return [];
  const label = labelOf(version.label)?.name ?? "Your own prompt";
  return [el("div", { class: "head-row" }, el("h3", {}, `${label}: ${found.length} versions`)), ...found.map(result)];
}

function draw() {
  const version = store.versionOf(state.selected);
  const generation = generationShown(version);
  shown = generation;
  words = [];
  root().classList.toggle("compact", Boolean(version?.generation_id) && (!generation || version.generation_id === generation.id));
  if (!generation) redraw(root(), ...siblings(version));
  else if (store.running(generation)) redraw(root(), ...live(generation));
  else if (generation.status === "done") redraw(root(), ...done(generation));
  else redraw(root(), ...ended(generation));
}

function generationShown(version) {
  if (version) return store.generationBeside(version);
  return [...state.generations.values()].reverse().find((it) => it.paragraph_id === state.paragraph) || null;
}

/** Tokens only touch their own text nodes: nothing else on the page is drawn for a word. */
function drawWords() {
  if (!shown || !store.running(shown)) return;
  words.forEach((node, index) => {
    const text = shown.partial[index] || "";
    if (text.startsWith(node.textContent)) node.append(text.slice(node.textContent.length));
    else node.textContent = text;
    node.normalize();
    node.scrollTop = node.scrollHeight;
  });
}

export function start() {
  store.on("generations selection versions labels sources", draw);
  store.on("tokens", drawWords);
}
