// The canvas: frame, view, ghosts and the arrow of an armed label. Draws when the store says so.
import { open, place, placeAll } from "./actions.js";
import * as chart from "./chart.js";
import { openCombine } from "./combine.js";
import { byId, el, icon, svg } from "./dom.js";
import { DRAGGED } from "./editor.js";
import { bend, HOME, including, inverse, outside, projection, within, zoomed } from "./geometry.js";
import { labelOf } from "./generations.js";
import * as handles from "./nodes.js";
import * as landmarks from "./landmarks.js";
import * as mode from "./mode.js";
import { toggle as toggleLegend } from "./legend.js";
import { showPane } from "./panes.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { AXES, CORNERS, plural } from "./words.js";

const { state } = store;
/** One step of a label's expected push, in canvas units: what one sentence added moves a paragraph, as measured. */
const STEP = 4;

const plot = el("div", { class: "plot", "aria-hidden": "true" });
const overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
const [path, leaders, ghostLines, arrow] = [svg("g"), svg("g"), svg("g"), svg("g")];
const layer = el("div", { class: "handles", role: "group", "aria-label": "Versions on the canvas. Arrow keys move between them, Enter opens one." });
const ghosts = el("div", { class: "handles", "aria-hidden": "true" });
const empty = el("div", { class: "empty" });
const measuring = el("p", { class: "measuring", hidden: true });
const corners = new Map();
/** What moves with the paper while it is dragged. */
const floating = [overlay, ghosts, landmarks.layer, layer];

let range = { x: [...HOME.x], y: [...HOME.y] };
let size = { width: 0, height: 0 };
let known = new Set();
let pending = 0;
let dataMoved = false;
let chartStale = true;

const project = () => projection(range, size.width, size.height);

function axis(side) {
  const { name, low, high } = AXES[side];
  return el("div", { class: `axis axis-${side}`, "aria-hidden": "true" }, el("span", {}, low), el("b", {}, name), el("span", {}, `${high} →`));
}

function tool(name, label, act, pressed = null) {
  return el("button", { class: "quiet only-icon", type: "button", "aria-label": label, title: label, "aria-pressed": pressed, onclick: act }, icon(name));
}

function build() {
  overlay.append(path, leaders, ghostLines, arrow);
  for (const [corner, word] of Object.entries(CORNERS)) corners.set(corner, el("span", { class: "corner", data: { corner }, "aria-hidden": "true" }, word));
  const numbers = has.scores && tool("numbers", "Show numbers", () => store.setUi({ numbers: !state.ui.numbers }), "false");
  const discarded = tool("eye", "Show discarded versions", () => store.setUi({ discarded: !state.ui.discarded }), "true");
  const legend = tool("help", "What the marks mean", () => toggleLegend(legend));
  legend.setAttribute("aria-expanded", "false");
  const tools = el("div", { class: "canvas-tools" },
    tool("plus", "Zoom in (+)", () => zoom(0.8)), tool("minus", "Zoom out (-)", () => zoom(1.25)), tool("fit", "Show everything (F)", fit), numbers || "", discarded, legend);
  store.on("ui versions", () => {
    if (numbers) numbers.setAttribute("aria-pressed", state.ui.numbers);
    discarded.setAttribute("aria-pressed", state.ui.discarded);
    discarded.hidden = ![...state.versions.values()].some((version) => version.status === "discarded");
  });
  const minimap = landmarks.build({ show, fit });
  const paper = el("div", { class: "paper" }, overlay, ghosts, landmarks.layer, layer);
  byId("frame").append(plot, ...corners.values(), axis("x"), axis("y"), paper, empty, measuring, minimap, tools);
}

function drawEmpty(versions) {
  const none = !versions.length;
  byId("frame").dataset.empty = none;
  empty.hidden = !none;
  measuring.hidden = !state.placing.size;
  const waits = state.model.scorer?.status === "loading";
  measuring.textContent = `Measuring ${plural(state.placing.size, "paragraph")}${waits ? " as soon as the scorer is loaded" : ""}…`;
  if (!none) return;
  const placed = state.order.some((id) => store.paragraphOf(id).on_canvas);
  const words = state.order.length && !store.isEmptyDraft();
  empty.replaceChildren(
    el("p", {}, words ? "Drag a paragraph here, or press P." : "Write or paste a draft, then bring it here."),
    el("p", { class: "dim" }, placed && waits ? "Your paragraphs will appear as soon as the scorer is ready." : "Each paragraph lands where it stands: higher explains more, further right grips more."),
    words && !state.placing.size ? el("button", { class: "button primary", type: "button", onclick: placeAll }, "Place all paragraphs") : "");
}

/** A corner's word stands there only while the view's corner lies in that quarter of the map. */
function drawCorners() {
  const inside = { t: range.y[1] > 54, b: range.y[0] < 46, l: range.x[0] < 46, r: range.x[1] > 54 };
  for (const [corner, node] of corners) node.classList.toggle("away", !(inside[corner[0]] && inside[corner[1]]));
}

const ghostSpots = new Map(); // generation id → [spots]

function drawGhosts() {
  const at = project();
  ghosts.replaceChildren();
  ghostLines.replaceChildren();
  ghostSpots.clear();
  for (const generation of state.generations.values()) {
    if (!store.running(generation)) continue;
    const parent = store.versionOf(generation.parent_version_id);
    const from = parent && (handles.spotOf(parent.id) || (store.placeOf(parent) && at(store.placeOf(parent).engagement, store.placeOf(parent).exposition)));
    if (!from || !store.paragraphOf(parent.paragraph_id)?.on_canvas) continue;
    const spots = betweenParents(generation, from, at) ?? ghostPlaces(from, labelOf(generation.label)?.push ?? [0, 0], generation.slots, at);
    ghostSpots.set(generation.id, spots);
    spots.forEach((spot, index) => {
      if (generation.other_version_id && index) return; // one version comes, whichever is best
      if (generation.versions[index] || generation.gone?.[index]) return;
      const ghost = el("div", { class: generation.partial[index] ? "ghost writing" : "ghost" }, String(store.numberOf(parent.paragraph_id)));
      ghost.style.transform = `translate(${spot.x}px, ${spot.y}px)`;
      ghosts.append(ghost);
      ghostLines.append(svg("line", { class: "ghost-line", x1: from.x, y1: from.y, x2: spot.x, y2: spot.y }));
    });
  }
}

/** Where a combined version is wanted: on the line between its parents. */
function betweenParents(generation, from, at) {
  const other = store.versionOf(generation.other_version_id);
  const place = other && store.placeOf(other);
  if (!place) return null;
  const to = handles.spotOf(other.id) || at(place.engagement, place.exposition);
  const spot = within({ x: from.x + generation.mix * (to.x - from.x), y: from.y + generation.mix * (to.y - from.y) }, at);
  return Array.from({ length: generation.slots }, () => spot);
}

/** Side by side across the push, so that each candidate has a ghost of its own. */
function ghostPlaces(from, [px, py], count, at) {
  const push = { x: px * STEP * at.sx, y: -py * STEP * at.sy };
  if (!px && !py) push.y = -48;
  const length = Math.hypot(push.x, push.y);
  const stretch = Math.max(1, 48 / length);
  const across = { x: -push.y / length, y: push.x / length };
  return Array.from({ length: count }, (_, i) => {
    const aside = (i - (count - 1) / 2) * 32;
    return within({ x: from.x + push.x * stretch + across.x * aside, y: from.y + push.y * stretch + across.y * aside }, at);
  });
}

function drawArrow() {
  arrow.replaceChildren();
  const from = handles.spotOf(state.selected);
  const push = state.armed?.push;
  const underWay = [...state.generations.values()].some((it) => store.running(it) && it.parent_version_id === state.selected);
  if (!from || !push || underWay || (!push[0] && !push[1])) return;
  const at = project();
  const to = within({ x: from.x + push[0] * STEP * at.sx, y: from.y - push[1] * STEP * at.sy }, at, 6);
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  if (Math.hypot(to.x - from.x, to.y - from.y) < 20) return;
  const tip = (turn, back) => `${to.x - Math.cos(angle + turn) * back},${to.y - Math.sin(angle + turn) * back}`;
  arrow.style.setProperty("--push", `var(--${Math.abs(push[0]) > Math.abs(push[1]) ? "engagement" : "exposition"})`);
  arrow.append(
    svg("line", { class: "push", x1: from.x + Math.cos(angle) * 17, y1: from.y + Math.sin(angle) * 17, x2: to.x - Math.cos(angle) * 8, y2: to.y - Math.sin(angle) * 8 }),
    svg("polygon", { class: "push-head", points: `${to.x},${to.y} ${tip(0.42, 13)} ${tip(-0.42, 13)}` }));
}

/** The way from the original to the selected (or hovered) version, over the chart: drawn at every move of the eye. */
function drawPath() {
  path.replaceChildren();
  const at = project();
  const shown = new Set(handles.ids());
  const toPixels = ({ engagement, exposition }) => at(engagement, exposition);
  const chosen = [store.versionOf(state.hovered), store.versionOf(state.selected)].filter((it) => it && shown.has(it.id));
  for (const version of chosen) {
    if (!version.placement || store.isHead(version)) continue;
    const { x, y } = toPixels(version.placement);
    path.append(svg("circle", { class: "halo", cx: x, cy: y, r: chart.haloSize(version.placement.spread, at) / 2 }));
  }
  const edges = [];
  const seen = new Set(chosen.slice(0, 1));
  for (const version of seen) {
    for (const parent of chart.shownParents(version, shown)) {
      edges.push([parent, version]);
      seen.add(parent); // a set walked while it grows: ancestors follow
    }
  }
  for (const [parent, version] of edges) {
    const [from, to] = [store.placeOf(parent), store.placeOf(version)];
    const [a, by, b] = [from, bend(from, to), to].map(toPixels);
    if (Math.hypot(a.x - b.x, a.y - b.y) > 4) {
      const angle = Math.atan2(b.y - by.y, b.x - by.x);
      const tip = { x: b.x - Math.cos(angle) * 14, y: b.y - Math.sin(angle) * 14 };
      const corner = (turn) => `${tip.x - Math.cos(angle + turn) * 9},${tip.y - Math.sin(angle + turn) * 9}`;
      path.append(svg("path", { class: "path", d: `M${a.x} ${a.y}Q${by.x} ${by.y} ${b.x} ${b.y}` }));
      if (Math.hypot(a.x - b.x, a.y - b.y) >= chart.SHORT) path.append(svg("polygon", { class: "path-head", points: `${tip.x},${tip.y} ${corner(0.4)} ${corner(-0.4)}` }));
    }
  }
}

const layers = [];

/** Draw under the paths at every change of the view: `draw(group, project)`. Gives the function that draws it again. */
export function addLayer(drawLayer) {
  const group = svg("g");
  const again = () => { if (size.width) drawLayer(group, project()); };
  overlay.prepend(group);
  layers.push(again);
  return again;
}

/** Where a pixel of the frame lies on the canvas. */
export const placeAt = (px, py) => inverse(range, size.width, size.height)(px, py);

/** Bring places into view, without leaving what is shown. */
export const reveal = (places) => show(including(range, places, 2));

/** New nodes are brought into view; looking elsewhere on purpose is respected otherwise. */
function growFor(versions) {
  const fresh = versions.filter((version) => version.placement && !known.has(version.id));
  if (fresh.length) range = including(range, fresh.map(store.placeOf));
  known = new Set(versions.filter((version) => version.placement).map((version) => version.id));
}

function draw() {
  pending = 0;
  if (!state.draft || !size.width) return;
  const versions = store.nodes();
  growFor(versions);
  handles.draw(versions, project(), { animate: dataMoved });
  dataMoved = false;
  for (const node of floating) node.style.transform = "";
  for (const again of layers) again();
  drawPath();
  drawGhosts();
  drawArrow();
  drawEmpty(versions);
  drawCorners();
  landmarks.draw(versions, project(), range, handles.allSpots());
  if (chartStale) chart.draw(plot, { range, ...size, versions, project: project(), moved });
  chartStale = false;
}

/** `moves`: the chart has panned or zoomed itself and need not be drawn for it. */
function drawSoon({ moves = false } = {}) {
  chartStale ||= !moves;
  pending ||= requestAnimationFrame(draw);
}

let settling = 0;
/** Halos and arrowheads are sized in pixels: after zooming they are drawn again, once the hand rests. */
function drawWhenSettled() {
  clearTimeout(settling);
  settling = setTimeout(() => drawSoon(), 250);
}

let panFrom = null;
/** Panning moves the whole layer; zooming places every handle again. */
function moved(next, done) {
  panFrom ??= range;
  const span = (it) => it.x[1] - it.x[0];
  const panned = Math.abs(span(next) - span(panFrom)) < 1e-6;
  if (!done && panned) {
    const at = projection(panFrom, size.width, size.height);
    const shift = `translate(${(panFrom.x[0] - next.x[0]) * at.sx}px, ${(next.y[0] - panFrom.y[0]) * at.sy}px)`;
    for (const node of floating) node.style.transform = shift;
    landmarks.follow(next, { zooms: false });
    return;
  }
  range = next;
  for (const node of floating) node.style.transform = "";
  landmarks.follow(range, { zooms: !panned });
  if (done) {
    panFrom = null;
    record(panned ? "canvas.panned" : "canvas.zoomed", { range: [...range.x, ...range.y] });
    drawSoon({ moves: true });
    if (!panned) drawWhenSettled();
  } else {
    handles.follow(project());
    for (const again of layers) again();
    drawPath();
    drawGhosts();
    drawArrow();
    drawCorners();
  }
}

function show(next) {
  range = next;
  record("canvas.zoomed", { range: [...range.x, ...range.y] });
  drawSoon();
}

/** Towards the selected version where it is in view: what the writer looks at must not slip away. */
export function zoom(factor) {
  const place = handles.spotOf(state.selected) && store.placeOf(store.versionOf(state.selected));
  show(zoomed(range, factor, place && !outside(place, range) ? place : null));
}
export const fit = () => show(including(HOME, store.nodes().map(store.placeOf), 6));

/** So close that these versions part, as far as they do. */
function closer(ids) {
  const places = ids.map((id) => store.placeOf(store.versionOf(id)));
  const [one] = places;
  show(including({ x: [one.engagement - 1, one.engagement + 1], y: [one.exposition - 1, one.exposition + 1] }, places, 1));
}

/** Open a version and go to it in the panel. */
function enter(id) {
  open(id);
  showPane("version");
  byId("version").querySelector("[data-key=opened]")?.focus();
}

export function focusCanvas() {
  showPane("canvas");
  const id = handles.spotOf(state.selected) ? state.selected : store.nodes()[0]?.id;
  if (id) handles.focus(id);
  else byId("canvas").focus();
}

function receiveDrops(frame) {
  frame.dataset.drop = "Place on the canvas";
  frame.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes(DRAGGED)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    frame.classList.add("dropping");
  });
  frame.addEventListener("dragleave", (event) => { if (!frame.contains(event.relatedTarget)) frame.classList.remove("dropping"); });
  frame.addEventListener("drop", (event) => {
    frame.classList.remove("dropping");
    if (!event.dataTransfer.types.includes(DRAGGED)) return;
    event.preventDefault();
    place(JSON.parse(event.dataTransfer.getData(DRAGGED)));
  });
}

/** A ghost hands its spot to the version that lands from it. */
function noteLanding() {
  for (const generation of state.generations.values()) {
    if (!generation.landed) continue;
    const { index, id } = generation.landed;
    const spot = ghostSpots.get(generation.id)?.[index];
    if (spot && !handles.spotOf(id)) handles.origins.set(id, spot);
  }
}

export function start() {
  build();
  mode.start(focusCanvas);
  const frame = byId("frame");
  handles.start(layer, leaders, { open, enter, closer, drop: openCombine });
  receiveDrops(frame);
  layer.addEventListener("wheel", (event) => {
    if (!event.target.closest(".node")) return;
    event.preventDefault();
    chart.surface(plot)?.dispatchEvent(new WheelEvent("wheel", event));
  }, { passive: false });
  new ResizeObserver(([entry]) => {
    size = { width: Math.round(entry.contentRect.width), height: Math.round(entry.contentRect.height) };
    drawSoon();
  }).observe(frame);
  store.on("placing", () => drawEmpty(store.nodes()));
  store.on("versions draft ui model labels", () => { noteLanding(); dataMoved = true; drawSoon(); });
  // A ghost answers the click in the same turn; the drawing of the rest may take its frame.
  store.on("generations", () => { noteLanding(); drawGhosts(); drawArrow(); });
  // Selecting and hovering must feel instant with a thousand versions: neither the chart nor the layout is done again.
  store.on("selection hover", () => {
    const hidden = store.versionOf(state.selected)?.status === "discarded" && !state.ui.discarded;
    handles.redress();
    drawPath();
    drawArrow();
    if (hidden || handles.spotOf(state.selected)?.stacked) drawSoon();
  });
  // The whole draft's mark has come or moved: the words beside the nodes make room for it.
  store.on("trajectory", () => drawSoon({ moves: true }));
  store.on("picked", handles.redress);
  store.on("armed", drawArrow);
  const redrawForTheme = () => drawSoon();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawForTheme);
  addEventListener("themechange", redrawForTheme);
}

/** Called after first paint. */
export async function loadChart() {
  await chart.load();
  drawSoon();
}
