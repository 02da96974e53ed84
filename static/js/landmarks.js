// What helps to find one's way on a full canvas: words beside nodes when there is room, and a minimap when there is
// something to find.
import { novelty } from "./candidates.js";
import { el, icon, svg } from "./dom.js";
import { centred, extent, free, MARGIN, MINIMAP, nameOfMark, outside } from "./geometry.js";
import { HALF } from "./nodes.js";
import * as store from "./store.js";
import { keywords } from "./textwork.js";
import { beginning, plural } from "./words.js";

const { state } = store;
/** From how many pixels a canvas unit on, what stands beside a node. Twelve is the whole map on a laptop. */
const LEVELS = [
  { from: 44, name: "text", width: 216, height: 68, most: 12 },
  { from: 22, name: "line", width: 168, height: 20, most: 30 },
  { from: 9, name: "words", width: 128, height: 20, most: 24 },
];
/** Where the zoom buttons and the corners' words stand, as boxes of a frame of this size. */
const furniture = ({ width, height }) => [
  { left: width - 44, top: height - 280, right: width, bottom: height },
  ...[8, height - 68].flatMap((top) => [[32, 120], [width - 120, width]].map(([left, right]) => ({ left, right, top, bottom: top + 24 }))),
];

/** Where the whole draft's mark and its name stand (goal.js draws them). */
function draftMark(project, spots) {
  const now = store.wholeDraft();
  if (!now) return [];
  const at = project(now.engagement, now.exposition);
  return [{ left: at.x - 13, right: at.x + 13, top: at.y - 13, bottom: at.y + 13 }, nameOfMark(at, spots, HALF, project)];
}

const captions = el("div", { class: "captions", "aria-hidden": "true" });
const view = svg("rect", { class: "map-view" });
const dots = svg("g");
const map = svg("svg", { class: "map", width: MINIMAP.width, height: MINIMAP.height, "aria-hidden": "true" });
const count = el("span", {});
const minimap = el("div", { class: "minimap", hidden: true }, map, el("button", { class: "quiet", type: "button", onclick: () => fit() }, icon("fit"), count));

let show = () => {};
let fit = () => {};
let world = null; // what the minimap shows, in canvas units
let seen = null; // the range in view

/** The minimap, for the frame. `show(range)` moves the view, `fit()` shows everything. */
export function build(actions) {
  ({ show, fit } = actions);
  map.append(dots, view);
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    lookAt(event);
  });
  map.addEventListener("pointermove", (event) => { if (map.hasPointerCapture(event.pointerId)) lookAt(event); });
  return minimap;
}

/** The words, which lie under the handles. */
export const layer = captions;

/** After a drawing: captions where there is room, the minimap if a node lies out of view. */
export function draw(versions, project, range, spots) {
  captions.hidden = false;
  captions.replaceChildren(...place(versions, project, spots));
  const away = versions.filter((version) => outside(store.placeOf(version), range)).length;
  minimap.hidden = !away;
  if (!away) return;
  count.textContent = `${plural(away, "version")} out of view`;
  world = extent(range, versions.map(store.placeOf));
  drawMap(versions, range);
}

/** While the view zooms captions would swim; while it pans the frame moves them. */
export function follow(range, { zooms }) {
  if (zooms) captions.hidden = true;
  seen = range;
  if (!minimap.hidden) drawView();
}

// ── Words beside nodes ─────────────────────────────────────────────────────────────────────────────────────────────

function place(versions, project, spots) {
  const level = LEVELS.find(({ from }) => Math.sqrt(project.sx * project.sy) >= from);
  if (!level) return [];
  const handles = spots.map(({ x, y }) => ({ left: x - HALF, right: x + HALF, top: y - HALF, bottom: y + HALF }));
  const frame = { left: MARGIN.l + 4, top: MARGIN.t + 4, right: project.width - MARGIN.r - 4, bottom: project.height - MARGIN.b - 4 };
  const taken = [...handles, ...furniture(project), ...draftMark(project, spots)];
  const at = new Map(spots.map((spot) => [spot.id, spot]));
  const drawn = [];
  for (const version of [...versions].sort(first)) {
    if (drawn.length >= level.most) break;
    const spot = at.get(version.id);
    if (!spot || spot.stacked || (level.name === "words" && !telling(version))) continue;
    const words = wordsFor(version, level.name);
    const box = words && free(spot, level, HALF, frame, taken);
    if (!box) continue;
    taken.push(box);
    const caption = el("p", { class: `caption caption-${level.name}`, dir: "auto", data: { side: box.side } }, words);
    caption.style.transform = `translate(${box.left}px, ${box.top}px)`;
    drawn.push(caption);
  }
  return drawn;
}

/** At a distance only what the draft is made of is named, and what the writer looks at. */
const telling = (version) => store.isHead(version) || version.status === "confirmed" || version.id === state.selected;

const weight = (version) => (version.id === state.selected) * 8 + store.isHead(version) * 4 + (version.status === "confirmed") * 2 - (version.status === "discarded");
const first = (a, b) => weight(b) - weight(a) || b.number - a.number;

function wordsFor(version, level) {
  const parent = store.parentOf(version);
  const own = parent && version.operation !== "manual" ? novelty(version, parent) : version.text;
  if (level === "words") return keywords(own, state.order.map((id) => store.paragraphOf(id).text)).join(" · ");
  return level === "line" ? beginning(own, 60) : beginning(own, 160);
}

// ── The minimap ────────────────────────────────────────────────────────────────────────────────────────────────────

const onMap = (x, y) => ({
  x: ((x - world.x[0]) / (world.x[1] - world.x[0])) * MINIMAP.width,
  y: (1 - (y - world.y[0]) / (world.y[1] - world.y[0])) * MINIMAP.height,
});

function drawMap(versions, range) {
  dots.replaceChildren(...versions.map((version) => {
    const { engagement, exposition } = store.placeOf(version);
    const { x, y } = onMap(engagement, exposition);
    return svg("circle", { cx: x, cy: y, r: store.isHead(version) ? 2 : 1, class: version.status === "confirmed" ? "map-confirmed" : "map-dot" });
  }));
  seen = range;
  drawView();
}

function drawView() {
  const a = onMap(seen.x[0], seen.y[1]);
  const b = onMap(seen.x[1], seen.y[0]);
  for (const [name, value] of Object.entries({ x: a.x, y: a.y, width: Math.max(b.x - a.x, 3), height: Math.max(b.y - a.y, 3) })) view.setAttribute(name, value);
}

function lookAt(event) {
  const box = map.getBoundingClientRect();
  const x = world.x[0] + ((event.clientX - box.left) / box.width) * (world.x[1] - world.x[0]);
  const y = world.y[1] - ((event.clientY - box.top) / box.height) * (world.y[1] - world.y[0]);
  show(centred(seen, x, y));
}
