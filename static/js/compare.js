// Versions side by side: differences against one of them, and single ones taken over. And the bar of picked versions.
import { keepMade, pick } from "./actions.js";
import { get, post, Problem } from "./api.js";
import { openCombine } from "./combine.js";
import { announce, byId, el, icon, redraw } from "./dom.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { capital, flatFacts, moveWords, placeWords, plural } from "./words.js";

const { state } = store;
const dialog = () => byId("compare");
let shown = null; // {versions, pairs, base, other, accepted: Set, problem}

const bar = el("div", { class: "picked-bar", role: "group", "aria-label": "Picked versions", hidden: true });

function drawBar() {
  const ids = state.picked.filter(store.versionOf);
  bar.hidden = !ids.length;
  if (bar.hidden) return;
  const names = ids.map((id) => `v${store.versionOf(id).number}`).join(", ");
  redraw(bar,
    el("span", { class: "picked-words" }, `${ids.length} picked (${names})${ids.length === 1 ? ": pick another with X or Shift+click" : ""}`),
    ids.length > 1 ? el("button", { class: "button", type: "button", data: { key: "compare" }, onclick: () => openCompare(ids) }, "Compare") : null,
    ids.length === 2 ? el("button", { class: "button", type: "button", data: { key: "combine" }, onclick: () => openCombine(...ids) }, "Combine") : null,
    el("button", { class: "quiet", type: "button", data: { key: "clear" }, onclick: clear }, "Clear"));
}

function clear() {
  store.setPicked([]);
  announce("Nothing is picked.");
}

/** Lay two or three versions side by side; the first is the one changes are taken into. */
export async function openCompare(ids) {
  const wanted = ids.slice(0, 3);
  const query = wanted.map((id) => `version=${id}`).join("&");
  try {
    const told = await get(`/api/drafts/${state.draft.id}/compare?${query}`);
    shown = { ...told, base: wanted[0], other: wanted[1], accepted: new Set() };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    shown = { problem, ids: wanted };
  }
  record("versions.compared", { versions: wanted });
  draw();
  if (!dialog().open) dialog().showModal();
}

const pairOf = (base, other) => shown.pairs.find((pair) => pair.base === base && pair.other === other);
const nameOf = (version) => `Version ${version.number}`;

/** The base's text with the changes that are taken so far. */
const result = (pair) => pair.hunks.map((hunk) => hunk.before + (shown.accepted.has(hunk.index) ? hunk.added : hunk.removed)).join("") + pair.rest;

function setBase(id) {
  const other = shown.base === id ? shown.other : shown.other === id ? shown.base : shown.other;
  Object.assign(shown, { base: id, other, accepted: new Set() });
  draw();
}

function setOther(id) {
  Object.assign(shown, { other: id, accepted: new Set() });
  draw();
}

function take(index) {
  if (!shown.accepted.delete(index)) shown.accepted.add(index);
  const { hunks } = pairOf(shown.base, shown.other);
  announce(`${shown.accepted.has(index) ? "Taken" : "Left"}. ${shown.accepted.size} of ${plural(hunks.length, "change")} taken.`);
  draw();
}

const shortly = (text) => text.trim() || "a space";

function hunkNode(hunk, active) {
  const marks = [hunk.removed ? el("del", {}, hunk.removed) : "", hunk.added ? el("ins", {}, hunk.added) : ""];
  if (!active) return marks;
  const taken = shown.accepted.has(hunk.index);
  const words = [hunk.removed ? `without “${shortly(hunk.removed)}”` : "", hunk.added ? `with “${shortly(hunk.added)}”` : ""].filter(Boolean).join(", ");
  return el("span", {
    class: "hunk", role: "checkbox", tabindex: "0", "aria-checked": String(taken), "aria-label": `Change ${hunk.index + 1}: ${words}`, data: { key: `hunk-${hunk.index}` },
    onclick: () => take(hunk.index),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === " " || event.key === "Enter") {
        event.preventDefault();
        take(hunk.index);
      } else if (step) {
        event.preventDefault();
        const all = [...dialog().querySelectorAll(".hunk")];
        all[all.indexOf(event.currentTarget) + step]?.focus();
      }
    },
  }, icon(taken ? "check" : "plus", { class: "icon tick" }), marks);
}

function factsOf(pair) {
  const line = (words, facts, kind) => {
    const list = flatFacts(facts);
    return list.length ? el("div", { class: kind }, el("dt", {}, words), el("dd", { dir: "auto" }, list.join(" · "))) : null;
  };
  const lines = [line("Lost", pair.facts.lost, "bad"), line("New", pair.facts.added, "new")].filter(Boolean);
  return lines.length ? el("dl", { class: "facts", "aria-label": "Facts" }, lines) : el("p", { class: "dim" }, "All numbers, names and hedges are the same.");
}

function column(version) {
  const isBase = version.id === shown.base;
  const pair = isBase ? null : pairOf(shown.base, version.id);
  const active = version.id === shown.other && pair.acceptable;
  const base = shown.versions.find((it) => it.id === shown.base);
  const move = moveWords(version, base);
  const where = capital(isBase ? placeWords(version.placement) : !move ? "Not measured yet." : move === "hardly moved" ? "Stands where the base does." : `${move} than the base.`);
  const text = isBase ? version.text : [pair.hunks.map((hunk) => [hunk.before, hunkNode(hunk, active)]), pair.rest];
  return el("section", { class: "column", "aria-label": nameOf(version), data: { base: isBase, active } },
    el("div", { class: "head-row" }, el("h3", {}, `${nameOf(version)}${store.isHead(version) ? ", in the draft" : ""}`),
      isBase ? el("span", { class: "tag" }, "base") : el("button", { class: "quiet", type: "button", data: { key: `base-${version.id}` }, onclick: () => setBase(version.id) }, "Make it the base")),
    el("p", { class: "dim" }, isBase ? `${where}.` : where),
    el("div", { class: "compare-text", dir: "auto", tabindex: "0", role: "group", "aria-label": `Text of version ${version.number}` }, text),
    isBase ? el("p", { class: "dim" }, "Changes are shown against this text and taken into it.") : factsOf(pair),
    !isBase && shown.versions.length > 2 && pair.acceptable && !active ? el("button", { class: "button", type: "button", data: { key: `from-${version.id}` }, onclick: () => setOther(version.id) }, "Take changes from here") : null);
}

function foot() {
  const pair = pairOf(shown.base, shown.other);
  const [base, other] = [shown.base, shown.other].map((id) => shown.versions.find((it) => it.id === id));
  if (!pair.acceptable) return el("p", { class: "message" }, "These versions are of two paragraphs: they can be read side by side, but changes can’t be taken from one into the other.");
  if (!pair.hunks.length) return el("p", { class: "message" }, "Both texts are the same.");
  const every = pair.hunks.map((hunk) => hunk.index);
  const none = !shown.accepted.size;
  return el("div", { class: "compare-foot" },
    el("div", { class: "row" },
      el("p", { class: "grow" }, `${shown.accepted.size} of ${plural(every.length, "change")} from version ${other.number} taken into version ${base.number}.`),
      el("button", { class: "button", type: "button", data: { key: "all" }, onclick: () => { shown.accepted = new Set(every); draw(); } }, "Accept all"),
      el("button", { class: "button", type: "button", data: { key: "none" }, onclick: () => { shown.accepted = new Set(); draw(); } }, "Leave all")),
    el("div", { class: "compare-text result-text", dir: "auto", tabindex: "0", role: "group", "aria-label": "The result", "aria-live": "off" }, result(pair)),
    el("div", { class: "row" },
      el("button", { class: "button primary", type: "button", data: { key: "make" }, "aria-disabled": none ? "true" : null, onclick: () => (none ? announce("Take a change first.") : make()) }, "Make a new version"),
      el("button", { class: "button", type: "button", data: { key: "to-combine" }, onclick: () => { dialog().close(); openCombine(shown.base, shown.other); } }, "Combine these two…"),
      none ? el("span", { class: "dim" }, "Click a marked change, or press Space on it, to take it.") : null));
}

async function make() {
  const accepted = [...shown.accepted].sort((a, b) => a - b);
  const version = await keepMade(() => post(`/api/drafts/${state.draft.id}/compare/accept`, { base: shown.base, other: shown.other, accepted }));
  if (!version) return;
  dialog().close();
  store.setPicked([]);
}

function draw() {
  const head = el("div", { class: "head-row" }, el("h2", { id: "compare-heading" }, "Compare"), el("button", { class: "quiet only-icon", type: "button", "aria-label": "Close", data: { key: "close" }, onclick: () => dialog().close() }, icon("cross")));
  if (shown.problem) {
    redraw(dialog(), head, el("p", { class: "message bad" }, `${shown.problem.sentence} `, el("button", { class: "button", type: "button", onclick: () => openCompare(shown.ids) }, "Try again")));
    return;
  }
  const at = [...dialog().querySelectorAll(".compare-text")].map((box) => box.scrollTop);
  redraw(dialog(), head, el("div", { class: "columns", data: { count: shown.versions.length } }, shown.versions.map(column)), foot());
  dialog().querySelectorAll(".compare-text").forEach((box, i) => { box.scrollTop = at[i] ?? 0; });
}

/** What a version is most often held against: its parents, the draft's text, those made with it. */
export function companions(version) {
  const found = new Map();
  const add = (id, words) => {
    const other = store.versionOf(id);
    if (other && other.id !== version.id && other.text.trim() && !found.has(id)) found.set(id, `${words} (v${other.number})`);
  };
  for (const id of version.parents) add(id, version.parents.length > 1 ? "a parent" : "its parent");
  add(store.paragraphOf(version.paragraph_id)?.head, "the draft’s text");
  for (const other of state.versions.values()) {
    if (other.paragraph_id === version.paragraph_id && !other.folded && other.status !== "discarded" && other.parents.some((id) => version.parents.includes(id))) add(other.id, "beside it");
  }
  return found;
}

/** “Compare with…” in the panel of an opened version, and what else stands in its quiet row. */
export function compareWith(version, more = null) {
  const others = companions(version);
  const picked = state.picked.includes(version.id);
  return el("div", { class: "compare-with" },
    others.size ? el("select", {
      "aria-label": `Compare version ${version.number} with`, data: { key: "compare-with" },
      onchange: (event) => { const id = event.target.value; event.target.value = ""; if (id) openCompare([id, version.id]); },
    }, el("option", { value: "" }, "Compare with…"), [...others].map(([id, words]) => el("option", { value: id }, words))) : null,
    el("button", { class: "quiet", type: "button", data: { key: "pick" }, "aria-pressed": String(picked), title: "Pick for comparing or combining (X)", onclick: () => pick(version.id) }, picked ? "Picked" : "Pick"), more);
}

export function start() {
  (byId("frame") ?? byId("canvas")).append(bar);
  store.on("picked versions", drawBar);
  dialog().addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
}
