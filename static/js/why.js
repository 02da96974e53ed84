// Why a version stands where it does: what each sentence adds, the strongest reasons, and which label would move it most.
import { fetchWhy } from "./actions.js";
import { toggle as toggleCorrecting, useMeasured } from "./correct.js";
import { el, icon } from "./dom.js";
import { labelOf, press, whyNot } from "./generations.js";
import * as store from "./store.js";
import { ago, capital, lengthWords, placeWords, plural, pointWords, reasonWords, spreadWords } from "./words.js";

const { state } = store;
const SEEN_AFTER = 120;
/** Points from which a sentence is tinted fully, and under which it is not at all: less is lost in the spread. */
const FULL = 10;
const LEAST = 1.5;
const TINTS = { both: "Both", exposition: "Exposition", engagement: "Engagement", none: "None" };
const MARKS = { exposition: ["▲", "▼"], engagement: ["▶", "◀"] };
let fetching = 0;

// ── Sentences ──────────────────────────────────────────────────────────────────────────────────────────────────────

const whyOf = (version) => { const found = state.whys.get(version?.id); return found && !found.problem ? found : null; };

const axes = () => (state.ui.tint === "both" ? ["exposition", "engagement"] : state.ui.tint === "none" ? [] : [state.ui.tint]);

const inWords = (share) => axes().filter((axis) => Math.abs(share[axis]) >= LEAST)
  .map((axis) => `${share[axis] > 0 ? "adds" : "takes"} ${pointWords(Math.abs(share[axis]))} ${share[axis] > 0 ? "to" : "from"} ${axis}`).join(", ");

/** A node for the sentence to stand in: tinted by the axis it moves most, marked and told by both. Null for one that moves neither. */
function sentence(share) {
  const moved = axes().filter((axis) => Math.abs(share[axis]) >= LEAST).sort((a, b) => Math.abs(share[b]) - Math.abs(share[a]));
  if (!moved.length) return null;
  const [axis] = moved;
  // As generated content a mark is seen, and neither copied nor read out.
  const marks = moved.map((it) => el("i", { class: "share-mark", "aria-hidden": "true", data: { axis: it, mark: `${MARKS[it][share[it] > 0 ? 0 : 1]}${Math.round(Math.abs(share[it]))}` } }));
  const node = el("span", { class: "share", title: capital(inWords(share)), data: { axis, way: share[axis] > 0 ? "up" : "down" } }, marks);
  node.style.setProperty("--strength", Math.min(Math.abs(share[axis]) / FULL, 1).toFixed(2));
  return node;
}

/** What stands at the end of a sentence for those who don't see its tint. */
const spoken = (share) => el("span", { class: "unseen" }, ` (${inWords(share)}) `);

/** The sentences of an opened version as {start, end, node, end}, in characters; empty where nothing is known or wanted. */
export function tinted(version) {
  const why = whyOf(version);
  return (why?.sentences ?? []).map((share) => ({ ...share, node: sentence(share), spoken: spoken(share) })).filter((it) => it.node);
}

// ── The section ────────────────────────────────────────────────────────────────────────────────────────────────────

function tints() {
  return el("div", { class: "tints", role: "group", "aria-label": "Tint the sentences by what they add to" },
    Object.entries(TINTS).map(([tint, words]) => el("button", {
      class: "quiet", type: "button", data: { key: `tint-${tint}`, tint }, "aria-pressed": String(state.ui.tint === tint), onclick: () => store.setUi({ tint }),
    }, MARKS[tint] ? el("span", { "aria-hidden": "true" }, `${MARKS[tint][0]} `) : "", words)));
}

function reason(it) {
  const rounded = Math.round(it.points) || (it.points < 0 ? -1 : 1);
  return el("li", {}, el("span", {}, reasonWords(it)), el("b", { class: "points", data: { axis: it.axis } }, `${rounded > 0 ? "+" : "−"}${Math.abs(rounded)} ${it.axis}`));
}

/** Where a label's figure comes from. */
const counted = ({ n, source }) => ({
  draft: `over ${plural(n, "version")} of this draft`, writer: `over ${plural(n, "version")} of yours`, benchmark: `over ${plural(n, "version")} of test paragraphs by the default model`,
})[source];

function label(why) {
  const goal = why.audience ? `the goal for ${why.audience}` : "";
  if (why.inside) return el("p", { class: "dim" }, `It is inside ${goal}.`);
  const best = why.label && labelOf(why.label.label);
  if (!best) {
    return el("p", { class: "dim" }, goal ? `No label is known to bring it nearer to ${goal}.` : "Which label would move it most is not known yet: too little was measured by this scale.");
  }
  const waits = whyNot();
  return el("div", { class: "move-most" },
    el("p", {}, el("b", {}, best.name), ` would ${goal ? `bring it nearest to ${goal}` : "move it most"}: `, lengthWords(why.label), el("span", { class: "dim" }, `, on average ${counted(why.label)}.`)),
    el("button", {
      class: "button", type: "button", data: { key: "press-most" }, "aria-disabled": waits ? "true" : null, title: waits || null,
      onclick: () => press(best.id), onpointerenter: () => store.arm(best), onpointerleave: () => store.arm(null), onfocus: () => store.arm(best), onblur: () => store.arm(null),
    }, "Press it"));
}

function corrected(version) {
  const human = version.human_placement;
  if (!human) return null;
  const elsewhere = store.otherScale({ placement: human }) ? " That was on an earlier scale." : "";
  return el("div", { class: "corrected" },
    el("p", {}, icon("pin"), ` You put it where it is ${placeWords(human)}. It measures ${placeWords(version.placement)}.${elsewhere}`),
    human.note ? el("q", { dir: "auto" }, human.note) : null);
}

function earlier(detail) {
  if (!detail?.earlier?.length) return null;
  return el("p", { class: "dim", title: detail.earlier.map((it) => it.scorer_id).join(", ") },
    `Earlier: ${detail.earlier.map((it) => `${placeWords(it)}, until ${ago(it.until)}`).join("; ")}.`);
}

function reasons(version) {
  const why = state.whys.get(version.id);
  if (why?.problem) {
    const { problem } = why;
    const again = problem.code === "unplaceable" ? null : el("button", { class: "button", type: "button", data: { key: "why-again" }, onclick: () => fetchWhy(version.id) }, "Try again");
    return el("p", { class: "message" }, problem.code === "unplaceable" ? problem.sentence : `The reasons could not be fetched. ${problem.sentence} `, again);
  }
  if (state.model.scorer?.status === "loading") return el("p", { class: "dim" }, "The reasons come as soon as the scorer is ready.");
  if (!why) return el("p", { class: "dim" }, "Looking at its sentences…");
  return [
    version.placement && version.placement.scorer_id !== why.placement.scorer_id
      ? el("p", { class: "dim" }, "These are the reasons of the scale in use; the point was placed by an earlier one.") : null,
    why.reasons.length ? el("ol", { class: "reasons", "aria-label": "Strongest reasons" }, why.reasons.map(reason)) : null,
    el("p", { class: "spread" }, el("i", { class: "halo-mark", "aria-hidden": "true" }), `${spreadWords(why.placement.spread)}.`),
    label(why),
  ];
}

/** What the panel says of an opened version's place. */
export function section(version, detail) {
  if (!version.text.trim()) return null;
  const canCorrect = version.placement && !version.archived && store.paragraphOf(version.paragraph_id)?.on_canvas;
  const known = Boolean(whyOf(version)?.sentences.length);
  return el("section", { class: "why", "aria-labelledby": "why-heading" },
    el("h4", { id: "why-heading" }, "Why here?"),
    known ? tints() : null,
    reasons(version), corrected(version), earlier(detail),
    canCorrect ? el("div", { class: "row" },
      el("button", { class: "button", type: "button", data: { key: "correct" }, title: "Put the point where you think it belongs (W)", onclick: () => toggleCorrecting(version.id) }, icon("pin"), version.human_placement ? "Move it again" : "Correct the place"),
      version.human_placement ? el("button", { class: "button", type: "button", data: { key: "measured" }, onclick: () => useMeasured(version.id) }, "Use the measured place") : null) : null);
}

/** Ask for the reasons of what the eye rests on. */
export function fetchSoon(version) {
  clearTimeout(fetching);
  if (state.model.scorer?.status !== "ready" || !version.text.trim()) return;
  const known = state.whys.get(version.id);
  if (!known || (known.stale && known.problem?.code !== "unplaceable")) fetching = setTimeout(() => fetchWhy(version.id), SEEN_AFTER);
}

/** What the label's figure rests on: when that changes, what is known of it is out of date. */
const basis = () => JSON.stringify([
  store.activeGoal(), [...state.versions.values()].filter((it) => it.operation === "label" && it.placement && !store.otherScale(it)).length, state.model.scorer?.scorer_id,
]);

let known = "";
export function start() {
  store.on("goals versions model", () => {
    if (known === basis()) return;
    known = basis();
    store.ageWhys();
  });
}

