// Two versions of one paragraph into one: the mix, what each place of the slider gives, and the two ways to do it.
import { keepMade } from "./actions.js";
import { get, post, Problem } from "./api.js";
import { openCompare } from "./compare.js";
import { announce, byId, el, icon, redraw } from "./dom.js";
import { combine as ask, whyNotWrite } from "./generations.js";
import { notice } from "./notices.js";
import { showPane } from "./panes.js";
import * as store from "./store.js";
import { mixWords, moveWords } from "./words.js";

const { state } = store;
const dialog = () => byId("combine");
const STEP = 0.05;
let shown = null; // {a, b, mix, merges, problem}

/** Open for two versions; a refusal is told in the sheet. `mix` is the share of the second. */
export async function openCombine(a, b, mix = 0.5) {
  const [first, second] = [store.versionOf(a), store.versionOf(b)];
  if (!first || !second) return;
  if (first.paragraph_id !== second.paragraph_id) {
    notice("These versions are of two paragraphs. Only versions of one paragraph can be combined.", { bad: true });
    return;
  }
  shown = { a, b, mix, merges: null, problem: null };
  draw();
  if (!dialog().open) dialog().showModal();
  dialog().querySelector("input[type=range]")?.focus();
  try {
    const told = await get(`/api/drafts/${state.draft.id}/merges?a=${a}&b=${b}`);
    if (shown.a === a && shown.b === b) shown.merges = told.merges;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    shown.problem = problem;
  }
  draw();
}

const current = () => shown.merges?.findLast((merge) => merge.mix <= shown.mix + 1e-9) ?? null;

/** Whether a merged text is one of the two as it stands. */
const unchanged = (merge) => [shown.a, shown.b].find((id) => store.versionOf(id).text.trim() === merge.text.trim());

export function originWords(origin, a, b) {
  return { a: `version ${a?.number ?? "A"}`, b: `version ${b?.number ?? "B"}`, both: "both", new: "new" }[origin];
}

/** Sentences with their origin, by colour, by mark and in words. */
export function sentences(pieces, a, b) {
  return pieces.map(({ text, origin }) => el("span", { class: "sentence", data: { origin } },
    el("span", { class: "origin" }, originWords(origin, a, b)), el("span", { dir: "auto" }, text)));
}

function setMix(mix) {
  shown.mix = Math.round(mix / STEP) * STEP;
  draw();
}

function column(version, letter) {
  return el("section", { class: "column", "aria-label": `Version ${version.number}` },
    el("div", { class: "head-row" }, el("h3", {}, `Version ${version.number}`), el("span", { class: "origin", data: { origin: letter } }, letter.toUpperCase())),
    el("div", { class: "compare-text", dir: "auto", tabindex: "0", role: "group", "aria-label": `Text of version ${version.number}` }, version.text));
}

function preview(a, b) {
  if (shown.problem) return el("p", { class: "message bad", role: "alert" }, shown.problem.sentence);
  const merge = current();
  if (!merge) return el("p", { class: "dim" }, "Reading both versions…");
  if (shown.merges.every(unchanged)) {
    return el("p", { class: "message" }, "No text lies between these two, sentence by sentence. ",
      el("button", { class: "button", type: "button", data: { key: "to-compare" }, onclick: () => { dialog().close(); openCompare([shown.a, shown.b]); } }, "Compare them and pick changes"));
  }
  const same = unchanged(merge);
  const move = moveWords(merge, a);
  return el("section", { class: "merged", "aria-label": "The sentences at this mix" },
    el("p", { class: "dim" }, same ? `At this mix the text is version ${store.versionOf(same).number} as it is.` : move ? `Sentence by sentence; against version ${a.number}: ${move}.` : "Sentence by sentence."),
    el("div", { class: "compare-text sentences", tabindex: "0", role: "group", "aria-label": "Sentences and where they are from" }, sentences(merge.sentences, a, b)));
}

function draw() {
  const [a, b] = [store.versionOf(shown.a), store.versionOf(shown.b)];
  const merge = current();
  const words = mixWords(shown.mix, a.number, b.number);
  const slider = el("input", {
    type: "range", min: "0", max: "1", step: String(STEP), value: String(shown.mix), "aria-label": "Mix of the two versions", "aria-valuetext": words, data: { key: "mix" },
    oninput: (event) => setMix(Number(event.target.value)),
    onkeydown: (event) => { if (event.key === "Enter") write(); },
  });
  const why = whyNotWrite();
  const write = () => (why || shown.problem ? announce(why || shown.problem.sentence) : go());
  const nothing = shown.problem ? "none" : merge && unchanged(merge) ? "same" : !merge ? "none" : "";
  redraw(dialog(),
    el("div", { class: "head-row" }, el("h2", { id: "combine-heading" }, `Combine versions ${a.number} and ${b.number}`), el("button", { class: "quiet only-icon", type: "button", "aria-label": "Close", data: { key: "close" }, onclick: () => dialog().close() }, icon("cross"))),
    el("div", { class: "columns", data: { count: 2 } }, column(a, "a"), column(b, "b")),
    el("div", { class: "mix" }, el("span", {}, `version ${a.number}`), slider, el("span", {}, `version ${b.number}`)),
    el("p", { class: "mix-words" }, words),
    preview(a, b),
    why ? el("p", { class: "dim" }, why) : null,
    el("div", { class: "row" },
      el("button", { class: "button primary", type: "button", data: { key: "combine" }, "aria-disabled": why || shown.problem ? "true" : null, onclick: write }, "Combine"),
      el("button", { class: "button", type: "button", data: { key: "merge" }, "aria-disabled": nothing ? "true" : null, onclick: () => (nothing ? announce("Move the slider first.") : mergeNow(shown.a, shown.b, shown.mix)) }, "Sentence merge, without the model")));
}

function go() {
  dialog().close();
  store.setPicked([]);
  store.select(shown.a);
  showPane("version");
  ask(shown.a, shown.b, shown.mix);
  focusOpened();
}

/** The bar that had the focus goes with the picking; the version that is open takes it, once it is drawn. */
const focusOpened = () => setTimeout(() => byId("opened").querySelector("[data-key=opened]")?.focus());

/** The measured sentence merge as a version, at once. */
export async function mergeNow(a, b, mix) {
  const version = await keepMade(() => post(`/api/drafts/${state.draft.id}/merges`, { a, b, mix }));
  if (!version) return;
  if (dialog().open) dialog().close();
  store.setPicked([]);
  focusOpened();
}

export function start() {
  dialog().addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
}
