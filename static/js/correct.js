// Where the writer thinks a version belongs, beside where it was measured: dragged, or moved by keys, in a mode of its own.
import { attempt, saveMade } from "./actions.js";
import { post, remove } from "./api.js";
import { addLayer, placeAt, reveal } from "./canvas.js";
import { announce, byId, el, svg } from "./dom.js";
import { begin } from "./mode.js";
import { showPane } from "./panes.js";
import * as store from "./store.js";
import { placeWords } from "./words.js";

const { state } = store;
const STEP = 1;
const FAR = 5; // with Shift
const LARGEST = 100;

let mode = null; // {id, at, moved, grip, words, field, leave}
let drawAgain = () => {};

const round = (value) => Math.round(Math.min(Math.max(value, 0), LARGEST) * 10) / 10;
const pointsOf = ({ exposition, engagement }) => `exposition ${Math.round(exposition)}, engagement ${Math.round(engagement)}`;
const button = () => document.querySelector("[data-key=correct]");

// ── What is drawn ──────────────────────────────────────────────────────────────────────────────────────────────────

/** The measured place, hollow, joined to where the writer put the version. */
function drawGhost(group, project, measured, human) {
  const from = project(measured.engagement, measured.exposition);
  const to = project(human.engagement, human.exposition);
  group.append(
    svg("line", { class: "corrected-line", x1: from.x, y1: from.y, x2: to.x, y2: to.y }),
    svg("circle", { class: "measured-ghost", cx: from.x, cy: from.y, r: 8 }));
}

function drawLayer(group, project) {
  group.replaceChildren();
  for (const version of store.nodes()) {
    if (version.id !== mode?.id && version.placement && version.human_placement) drawGhost(group, project, version.placement, version.human_placement);
  }
  const version = mode && store.versionOf(mode.id);
  if (!version?.placement) return;
  drawGhost(group, project, version.placement, mode.at);
  const { x, y } = project(mode.at.engagement, mode.at.exposition);
  mode.grip.style.transform = `translate(${x}px, ${y}px)`;
}

// ── Moving it ──────────────────────────────────────────────────────────────────────────────────────────────────────

function take(at, { say = false } = {}) {
  mode.at = { engagement: round(at.engagement), exposition: round(at.exposition) };
  mode.moved = true;
  const words = `${placeWords(mode.at)}: ${pointsOf(mode.at)}`;
  mode.words.textContent = words;
  mode.grip.setAttribute("aria-label", gripWords());
  drawAgain();
  if (say) announce(words);
}

const gripWords = () => `Version ${store.versionOf(mode.id).number}, at ${placeWords(mode.at)}, ${pointsOf(mode.at)}. Arrow keys move it, Shift and arrow keys move it far, Enter keeps it.`;

function nudge(event) {
  if (event.key === "Enter") {
    event.preventDefault();
    keep();
    return;
  }
  const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
  if (!x && !y) return;
  event.preventDefault();
  event.stopPropagation();
  const by = event.shiftKey ? FAR : STEP;
  take({ engagement: mode.at.engagement + x * by, exposition: mode.at.exposition + y * by }, { say: true });
  reveal([mode.at]);
}

/** Dragged from where it is; pressed anywhere else it goes there, so that nobody has to drag. */
function drag(event) {
  if (event.button !== 0) return;
  event.preventDefault();
  const target = event.currentTarget;
  const edge = byId("frame").getBoundingClientRect();
  const place = ({ clientX, clientY }) => placeAt(
    Math.min(Math.max(clientX - edge.left, 0), edge.width), Math.min(Math.max(clientY - edge.top, 0), edge.height));
  const from = place(event);
  const away = target === mode.grip ? { engagement: mode.at.engagement - from.engagement, exposition: mode.at.exposition - from.exposition } : { engagement: 0, exposition: 0 };
  const move = (next) => {
    if (!mode) return;
    const to = place(next);
    take({ engagement: to.engagement + away.engagement, exposition: to.exposition + away.exposition });
  };
  const done = (last) => {
    for (const [type, heard] of heards) target.removeEventListener(type, heard);
    if (!mode || last.type === "pointercancel") return;
    makeRoom();
    mode.grip.focus();
    announce(mode.words.textContent);
  };
  const heards = [["pointermove", move], ["pointerup", done], ["pointercancel", done]];
  if (target !== mode.grip) move(event);
  target.setPointerCapture(event.pointerId);
  for (const [type, heard] of heards) target.addEventListener(type, heard);
}

/** The card stands in the half of the canvas where the point is not. */
function makeRoom() {
  const { height } = byId("frame").getBoundingClientRect();
  mode.card.dataset.at = mode.at.exposition < placeAt(0, height / 2).exposition ? "top" : "bottom";
}

// ── The mode ───────────────────────────────────────────────────────────────────────────────────────────────────────

export async function enter(id) {
  const version = store.versionOf(id);
  if (!version?.placement || version.archived || !store.paragraphOf(version.paragraph_id)?.on_canvas) {
    announce("Only a version that is measured and on the canvas can be put elsewhere.");
    return;
  }
  showPane("canvas");
  store.select(id);
  await null; // until the pane is there: what is hidden takes no focus
  const pad = el("div", { class: "goal-pad", "aria-hidden": "true", onpointerdown: drag });
  const grip = el("button", { class: "correct-grip", type: "button", onpointerdown: drag, onkeydown: nudge }, String(store.numberOf(version.paragraph_id)));
  const words = el("p", { class: "dim" }, "Drag the point, press where it should stand, or use the arrow keys.");
  const field = el("input", {
    type: "text", maxlength: "300", dir: "auto", autocomplete: "off", placeholder: "Why? (optional)", "aria-label": "Why it belongs there (optional)",
    value: version.human_placement?.note ?? "", oninput: () => { mode.noted = true; },
  });
  const card = el("form", { class: "goal-card", "aria-label": "Correct the place", onsubmit: (event) => { event.preventDefault(); keep(); } },
    el("p", {}, `Where does version ${version.number} belong?`), words, field,
    el("div", { class: "row" },
      el("button", { class: "button primary", type: "submit" }, "Keep this place"),
      el("button", { class: "quiet", type: "button", title: "Esc", onclick: () => mode.leave() }, "Cancel")));
  const at = store.placeOf(version);
  mode = { id, grip, words, field, card, at: { engagement: round(at.engagement), exposition: round(at.exposition) }, moved: false, noted: false };
  byId("frame").dataset.mode = "correct";
  mode.leave = begin({ name: "Correcting", nodes: [pad, grip, card], key: "w", button, left: () => {
    mode = null;
    delete byId("frame").dataset.mode;
    drawAgain();
  } });
  reveal([mode.at, version.placement]);
  grip.setAttribute("aria-label", gripWords());
  makeRoom();
  drawAgain();
  grip.focus();
  announce(`Correct the place of version ${version.number}: drag the point, or use the arrow keys. Enter keeps it, Escape leaves.`);
}

export const toggle = (id) => (mode ? mode.leave() : enter(id));

async function keep() {
  const { id, at, moved, noted, field, leave } = mode;
  const version = store.versionOf(id);
  const over = version.human_placement && { engagement: version.human_placement.engagement, exposition: version.human_placement.exposition };
  if (!moved && !(noted && over)) {
    announce("The point has not been moved yet.");
    mode.grip.focus();
    return;
  }
  // Only its note was changed: it stays to the digit where it was.
  const place = moved ? at : over;
  const made = await saveMade(() => post(`/api/versions/${id}/correction`, { ...place, note: field.value, over }));
  if (!made) return;
  if (mode?.leave === leave) leave();
  announce(`Version ${made.number} stands where you put it: ${placeWords(made.human_placement)}. Where it measures is drawn beside it.`);
}

export const useMeasured = (id) => attempt(async () => {
  const version = await remove(`/api/versions/${id}/correction`);
  store.keepVersions([version]);
  announce(`Version ${version.number} stands where it measures.`);
});

export function start() {
  drawAgain = addLayer(drawLayer);
  store.on("versions draft ui", drawAgain);
  store.on("selection", () => { if (mode && state.selected !== mode.id) mode.leave(); });
}
