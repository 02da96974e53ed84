// A minute's tour of the desk, on the real thing: it says what to press and goes on when that was done.
// Nothing is covered and nothing is locked; it can be left at every step, and comes back from the help page.
import { announce, byId, el, icon, isTyping } from "./dom.js";
import { showPane } from "./panes.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { has } from "./switches.js";

const { state } = store;
const MARK = "tour";
const GAP = 10;
const EDGE = 8;

const onCanvas = () => state.order.filter((id) => store.paragraphOf(id).on_canvas).length;
const confirmed = () => [...state.versions.values()].filter((version) => version.status === "confirmed").length;
const whole = () => state.order.every((id) => store.paragraphOf(id).on_canvas || !store.paragraphOf(id).text.trim());
const first = (...selectors) => () => selectors.map((it) => document.querySelector(it)).find((node) => node?.getClientRects().length);

/** The new versions, and once one of them is open, what can be done with it. */
const choosing = () => {
  const open = store.versionOf(state.selected)?.status === "proposed";
  return first(...(open ? ["#opened .actions"] : []), "#candidates .result", "#opened .actions", "#opened")();
};

/** `at` is what a step points to; `count` rises when the writer did what it asks for; `skip` leaves it out. */
const STEPS = [
  {
    id: "draft", pane: "draft", side: "right", at: first(".paragraph", "#paragraphs"), count: onCanvas, // whoever places goes on
    title: "Your draft", words: "Click into it and write; every word is saved. This one is only a sample: change what you like.",
  },
  {
    id: "place", pane: "draft", side: "right", at: first("#place-all"), count: onCanvas, skip: whole,
    title: "Press Place all", words: "Each paragraph is measured and becomes a numbered node on the canvas.",
  },
  {
    id: "axes", pane: "canvas", side: "inside", at: first("#frame"),
    title: "The canvas is a map of your text", words: "The higher a node stands, the more it explains; the further right, the more it grips. Click one to select its paragraph.",
  },
  {
    id: "label", pane: "canvas", side: "top", at: first("[data-label=use-analogy]", "[data-label]"), count: () => state.generations.size,
    title: "Press a label", words: "Each asks the model for new versions of the selected paragraph. Its arrow shows which way it pushes.",
  },
  {
    id: "versions", pane: "version", side: "left", at: choosing, count: confirmed,
    title: "Open a version, then confirm it", words: "New versions land on the canvas and in this list. Open one to see what changed. Confirm puts it into the draft and turns it purple.",
  },
  {
    id: "history", pane: "version", side: "left", at: first("#history"),
    title: "Nothing is lost", words: "Every version stays in the history, and can be put back. That was all; the question mark has the keys, and this tour.",
  },
];

let at = -1; // the step that is shown, -1: none
let box = null;
let anchor = null;
let before = 0; // what the step counts, as it was when the step began
let frame = 0;

function remembered() {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    return true; // Without storage it would come back on every visit.
  }
}

function remember() {
  try {
    localStorage.setItem(MARK, "seen");
  } catch {
    // Nothing to remember it in.
  }
}

/** As it came, nothing typed and nothing placed: the sample of a first visit. */
const untouched = () => state.order.length > 0 && !store.isEmptyDraft() && onCanvas() === 0
  && [...state.versions.values()].every((version) => version.operation === "import");

export function begin() {
  end();
  remember();
  show(0, { focus: true });
}

function end() {
  cancelAnimationFrame(frame);
  const held = box?.contains(document.activeElement);
  box?.remove();
  mark(null);
  [box, at] = [null, -1];
  return held;
}

function leave(how) {
  const back = anchor;
  const held = end();
  record("tour.step", { step: how });
  announce(how === "end" ? "The tour is over." : "The tour is closed. The help page has it.");
  // The keyboard goes on where the tour pointed.
  if (held) (back?.matches("button, textarea, [tabindex]") ? back : back?.querySelector("button, textarea") ?? byId("help")).focus({ preventScroll: true });
}

function mark(node) {
  if (anchor === node) return;
  anchor?.classList.remove("tour-here");
  anchor = node;
  anchor?.classList.add("tour-here");
}

function show(index, { focus = false } = {}) {
  let next = index;
  while (STEPS[next]?.skip?.()) next += 1;
  if (!STEPS[next]) {
    leave("end");
    return;
  }
  at = next;
  const step = STEPS[at];
  before = step.count?.() ?? 0;
  showPane(step.pane);
  const last = at === STEPS.length - 1;
  const go = el("button", { class: "button primary", type: "button", onclick: () => show(at + 1, { focus: true }) }, last ? "Done" : "Next");
  const fresh = el("div", { class: "tour", role: "dialog", "aria-labelledby": "tour-title", "aria-describedby": "tour-words" },
    el("div", { class: "head-row" }, el("h2", { id: "tour-title" }, step.title), el("span", { class: "dim" }, `${at + 1} of ${STEPS.length}`)),
    el("p", { id: "tour-words" }, step.words),
    el("div", { class: "row" }, go, last ? null : el("button", { class: "quiet", type: "button", onclick: () => leave("skipped") }, "Skip the tour")));
  if (box) box.replaceWith(fresh);
  else document.body.append(fresh);
  box = fresh;
  // Whoever is at work on the page keeps the focus there, and is told.
  if (focus) go.focus({ preventScroll: true });
  else announce(`${step.title}. ${step.words}`);
  record("tour.step", { step: step.id });
  // Panes that were hidden until now are drawn first.
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    step.at()?.scrollIntoView({ block: "nearest" });
    place();
  });
}

/** After the page has been drawn: where things stand now. */
function later() {
  if (!box) return;
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(place);
}

function place() {
  if (!box) return;
  const target = STEPS[at].at();
  mark(target ?? null);
  const own = box.getBoundingClientRect();
  const room = { width: document.documentElement.clientWidth, height: document.documentElement.clientHeight };
  const it = target?.getBoundingClientRect() ?? { left: 0, right: 0, top: room.height, bottom: room.height, width: 0, height: 0 };
  const spots = {
    right: [it.right + GAP, it.top],
    left: [it.left - own.width - GAP, it.top],
    bottom: [it.left + it.width / 2 - own.width / 2, it.bottom + GAP],
    top: [it.left + it.width / 2 - own.width / 2, it.top - own.height - GAP],
    inside: [it.left + it.width / 2 - own.width / 2, it.top + GAP],
  };
  const fits = ([x, y]) => x >= EDGE && y >= EDGE && x + own.width <= room.width - EDGE && y + own.height <= room.height - EDGE;
  const wanted = STEPS[at].side;
  // Along its side it may slide; across it would lie over what it speaks of.
  const slid = ([x, y]) => [Math.max(EDGE, Math.min(x, room.width - own.width - EDGE)), Math.max(EDGE, Math.min(y, room.height - own.height - EDGE))];
  const clear = ([x, y]) => x >= it.right || x + own.width <= it.left || y >= it.bottom || y + own.height <= it.top;
  const corner = [room.width - own.width - EDGE, room.height - own.height - EDGE];
  const order = [slid(spots[wanted]), corner, ...["bottom", "top", "right", "left"].map((side) => slid(spots[side]))];
  const [x, y] = wanted === "inside" ? order[0] : order.find((spot) => fits(spot) && clear(spot)) ?? corner;
  box.style.left = `${Math.round(x)}px`;
  box.style.top = `${Math.round(y)}px`;
}

function changed() {
  if (!box) return;
  const { count } = STEPS[at];
  if (count && count() > before) show(at + 1, { focus: box.contains(document.activeElement) });
  else later();
}

/** For the help page. */
export const button = () => el("button", {
  class: "button", type: "button", onclick: () => { byId("help-dialog").close(); begin(); },
}, icon("eye"), "Show the tour");

export function start() {
  let asked = false;
  store.on("draft", () => {
    if (asked || !state.draft) return;
    asked = true;
    if (!has.study && !remembered() && untouched()) begin();
  });
  store.on("draft text versions generations selection labels ui", changed);
  addEventListener("resize", later);
  addEventListener("scroll", later, { capture: true, passive: true });
  // Before the others hear of it: an Escape that closes a menu closes only that.
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box || isTyping(event.target) || document.querySelector(".pop, dialog[open]")) return;
    leave("skipped");
  }, { capture: true });
}
