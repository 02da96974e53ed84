// The handles: one button a version, over its place on the canvas. They are the picture and the keyboard path at once.
import { pick } from "./actions.js";
import { el, icon, svg } from "./dom.js";
import { apart, towards } from "./geometry.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { flagWords, goalWords, KIND_WORDS, kindOf, ledgerFlags, moveWords, placeWords } from "./words.js";

const { state } = store;
const BADGES = { typed: "pencil", combined: "combine", confirmed: "check", discarded: "cross" };
const HOVER_AFTER = 90;
export const HALF = 15; // of a handle's side
const still = matchMedia("(prefers-reduced-motion: reduce)");

const buttons = new Map(); // version id → button
const stacks = el("div", {});
let spots = new Map(); // version id → {x, y, nudged, id}
/** Where a version comes from when it first appears (its ghost's pixels). */
export const origins = new Map();

let layer = null;
let leaders = null;
let openVersion = () => {};
let enterVersion = () => {};
let lookAround = () => {};
let dropOn = () => {};

export const ids = () => spots.keys();
export const spotOf = (id) => spots.get(id) || null;
export const allSpots = () => [...spots.values()];

/** What a node looks like, for the canvas and for the history beside it. */
export function face(version) {
  const kind = kindOf(version);
  const parts = [String(store.numberOf(version.paragraph_id))];
  if (BADGES[kind]) {
    const badge = el("span", { class: "badge" }, icon(BADGES[kind], { "stroke-width": 2.5 }));
    parts.push(badge);
  }
  const mark = markOf(version);
  if (mark) parts.push(el("span", { class: "mark", "aria-hidden": "true" }, mark));
  return { kind, parts };
}

/** − where facts were lost, + where a claim is new; the accessible name has the words. */
function markOf(version) {
  const flags = ledgerFlags(version.flags);
  const lost = flags.some((flag) => flag !== "new-claim");
  return flags.includes("new-claim") ? (lost ? "±" : "+") : lost ? "−" : "";
}

export function nameOf(version) {
  const move = moveWords(version, store.parentOf(version));
  const from = version.parents.length > 1 ? ` from versions ${store.parentsOf(version).map((it) => it.number).join(" and ")}` : "";
  const picked = state.picked.includes(version.id) ? ", picked" : "";
  const where = move ? `against its parent ${move}` : placeWords(version.placement);
  const inDraft = store.isHead(version) ? ", in the draft" : "";
  const goal = goalWords(version.placement, store.activeGoal(), state.ui.numbers);
  const scale = store.otherScale(version) ? "placed by an earlier scale" : "";
  const human = version.human_placement ? `put by you where it is ${placeWords(version.human_placement)}` : "";
  const what = `${KIND_WORDS[kindOf(version)]}${from}${inDraft}${picked}`;
  const rest = [what, where, human, scale, ...flagWords(ledgerFlags(version.flags)), goal].filter(Boolean).join(", ");
  return `Paragraph ${store.numberOf(version.paragraph_id)}, version ${version.number}, ${rest}`;
}

let hoverTimer = 0;
let hoverSince = 0;
export function hoverIn(id) {
  clearTimeout(hoverTimer);
  hoverSince = performance.now();
  hoverTimer = setTimeout(() => store.hover(id), HOVER_AFTER);
}

export function hoverOut(id) {
  clearTimeout(hoverTimer);
  const ms = Math.round(performance.now() - hoverSince);
  if (state.hovered === id) {
    store.hover(null);
    if (ms > 300) record("node.hovered", { version_id: id, ms });
  }
}

function keydown(event, id) {
  if (event.key.startsWith("Arrow") && !event.altKey && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    event.stopPropagation();
    const next = towards(spots.get(id), spots.values(), event.key) ?? neighbour(id, ["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : -1);
    if (next) focus(next.id);
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    focus([...spots.keys()].sort((a, b) => store.versionOf(a).number - store.versionOf(b).number).at(event.key === "Home" ? 0 : -1));
  } else if (event.key === "Enter") {
    event.preventDefault();
    enterVersion(id);
  } else if (event.key === "x" && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    event.stopPropagation();
    pick(id);
  }
}

/** Where no node lies that way, go through them by number: none is out of reach. */
function neighbour(id, step) {
  const ids = [...spots.keys()].sort((a, b) => store.versionOf(a).number - store.versionOf(b).number);
  return spots.get(ids[(ids.indexOf(id) + step + ids.length) % ids.length]);
}

export function focus(id) {
  store.select(id);
  const button = buttons.get(id);
  if (!button) return;
  for (const other of buttons.values()) other.tabIndex = other === button ? 0 : -1;
  button.focus({ focusVisible: true });
}

const DRAG_AFTER = 6; // pixels; a hand that clicks trembles
let dragged = false; // whether the pointer that is down, or was just let go, has dragged a node

/** Drag a node; let go over another one of its paragraph, it is dropped on it. Elsewhere, or by Escape, it goes back. */
function grab(event, id) {
  dragged = false;
  if (event.button !== 0 || event.shiftKey) return;
  const button = event.currentTarget;
  const { clientX, clientY, pointerId } = event;
  const home = button.style.transform;
  const away = new AbortController();
  let over = null;
  const target = (at) => {
    const found = document.elementFromPoint(at.clientX, at.clientY)?.closest(".handles .node");
    const other = found && found !== button ? store.versionOf(found.dataset.id) : null;
    return other && other.paragraph_id === store.versionOf(id)?.paragraph_id ? found : null;
  };
  const light = (found) => {
    if (found === over) return;
    if (over) delete over.dataset.drop;
    over = found;
    if (over) over.dataset.drop = "true";
  };
  const end = () => {
    away.abort();
    light(null);
    delete button.dataset.dragging;
    if (spots.has(id)) button.style.transform = `translate(${spots.get(id).x}px, ${spots.get(id).y}px)`;
    else button.style.transform = home;
  };
  const options = { signal: away.signal };
  addEventListener("pointermove", (at) => {
    if (at.pointerId !== pointerId) return;
    const [dx, dy] = [at.clientX - clientX, at.clientY - clientY];
    if (!dragged && Math.hypot(dx, dy) <= DRAG_AFTER) return;
    if (!dragged) {
      dragged = true;
      button.dataset.dragging = "true";
      hoverOut(id);
    }
    const from = spots.get(id);
    if (from) button.style.transform = `translate(${from.x + dx}px, ${from.y + dy}px)`;
    light(target(at));
  }, options);
  addEventListener("pointerup", () => {
    const onto = over?.dataset.id;
    end();
    if (dragged && onto) dropOn(id, onto);
    // The click that follows a drag comes in the same turn.
    setTimeout(() => { dragged = false; });
  }, options);
  addEventListener("pointercancel", end, options);
  addEventListener("keydown", (key) => { if (key.key === "Escape") end(); }, options);
}

function build(id) {
  const button = el("button", {
    class: "node", type: "button", data: { id },
    onclick: (event) => {
      if (dragged) return;
      if (event.shiftKey) pick(id);
      else openVersion(id);
    },
    onpointerdown: (event) => grab(event, id),
    ondblclick: () => enterVersion(id),
    onkeydown: (event) => keydown(event, id),
    onpointerenter: () => hoverIn(id),
    onpointerleave: () => hoverOut(id),
  });
  buttons.set(id, button);
  layer.append(button);
  return button;
}

function dress(button, version) {
  const { kind, parts } = face(version);
  const selected = version.id === state.selected;
  const same = version.paragraph_id === state.paragraph;
  const head = store.isHead(version);
  const look = {
    kind, head, selected,
    quiet: !same && !head && kind !== "confirmed",
    lit: version.id === state.hovered || (version.paragraph_id === state.hoveredParagraph && head),
    measuring: !version.placement, earlier: store.otherScale(version), marked: Boolean(markOf(version)),
    picked: state.picked.includes(version.id),
  };
  const signature = JSON.stringify([look, parts[0]]);
  if (button.dataset.signature !== signature) {
    Object.assign(button.dataset, look, { signature });
    button.replaceChildren(...parts);
  }
  const name = nameOf(version);
  if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
  if (selected) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
}

// The selected node must not push its neighbours about, so standing order ignores what is selected.
const firmness = (a, b) => (store.isHead(b) - store.isHead(a)) || (b.status === "confirmed") - (a.status === "confirmed") || a.number - b.number;

/** Put every handle where its version stands. `animate` when the text moved, not when the view did. */
export function draw(versions, project, { animate = false } = {}) {
  const standing = [...versions].sort(firmness);
  const placed = apart(standing.map((version) => {
    const { engagement, exposition } = store.placeOf(version);
    return project(engagement, exposition);
  }));
  const before = spots;
  spots = new Map(standing.map((version, i) => [version.id, { ...placed[i], id: version.id }]));
  let orphaned = false; // the focus was on a node that is gone, as when it was archived
  for (const [id, button] of buttons) {
    if (spots.has(id)) continue;
    orphaned ||= button === document.activeElement;
    button.remove();
    buttons.delete(id);
  }
  leaders.replaceChildren();
  for (const version of standing) {
    const spot = spots.get(version.id);
    const button = buttons.get(version.id) || build(version.id);
    dress(button, version);
    const to = `translate(${spot.x}px, ${spot.y}px)`;
    const from = origins.get(version.id) || (animate ? before.get(version.id) : null);
    origins.delete(version.id);
    if (from && !still.matches && Math.hypot(from.x - spot.x, from.y - spot.y) > 2) {
      button.animate([{ transform: `translate(${from.x}px, ${from.y}px)` }, { transform: to }], { duration: 200, easing: "ease-out" });
    }
    button.style.transform = to;
    button.dataset.stacked = spot.stacked;
    if (spot.nudged) leader(project, version, spot);
  }
  drawStacks(standing);
  const holder = buttons.get(state.selected) || buttons.get(store.headOf(state.paragraph)?.id) || buttons.get(standing[0]?.id);
  for (const button of buttons.values()) button.tabIndex = button === holder ? 0 : -1;
  if (orphaned) holder?.focus();
}

/** Those that found no spot of their own are counted on the nearest that did; pressing the number goes closer. */
function drawStacks(standing) {
  const heaps = new Map(); // the firm version's id → ids stacked on it
  for (const version of standing) {
    const spot = spots.get(version.id);
    if (!spot.stacked) continue;
    const { id } = nearest(spot);
    if (heaps.has(id)) heaps.get(id).push(version.id);
    else heaps.set(id, [version.id]);
  }
  stacks.replaceChildren(...[...heaps].map(([id, ids]) => {
    const chip = el("button", {
      class: "stack", type: "button", title: "Go closer", "aria-label": `${ids.length} more ${ids.length === 1 ? "version" : "versions"} here: go closer`,
      data: { stack: id }, onclick: () => lookAround([id, ...ids]),
    }, `+${ids.length}`);
    chip.style.transform = `translate(${spots.get(id).x}px, ${spots.get(id).y}px)`;
    return chip;
  }));
}

function nearest({ x, y }) {
  let best = null;
  let least = Infinity;
  for (const spot of spots.values()) {
    const far = spot.stacked ? Infinity : (spot.x - x) ** 2 + (spot.y - y) ** 2;
    if (far < least) [best, least] = [spot, far];
  }
  return best;
}

function leader(project, version, spot) {
  const { engagement, exposition } = store.placeOf(version);
  const at = project(engagement, exposition);
  leaders.append(svg("line", { class: "leader", x1: at.x, y1: at.y, x2: spot.x, y2: spot.y }), svg("circle", { class: "true-point", cx: at.x, cy: at.y, r: 1.5 }));
}

/** While the view zooms: every handle to its place, and no more; standing apart is settled when it ends. */
export function follow(project) {
  leaders.replaceChildren();
  stacks.replaceChildren();
  for (const [id, button] of buttons) {
    if (spots.get(id)?.stacked) continue;
    const { engagement, exposition } = store.placeOf(store.versionOf(id));
    const { x, y } = project(engagement, exposition);
    button.style.transform = `translate(${x}px, ${y}px)`;
  }
}

/** What is selected or lit changed, nothing moved. */
export function redress() {
  for (const [id, button] of buttons) {
    const version = store.versionOf(id);
    if (version) dress(button, version);
  }
  if (!buttons.has(state.selected)) return;
  for (const [id, button] of buttons) button.tabIndex = id === state.selected ? 0 : -1;
}

export function start(handles, leaderGroup, { open, enter, closer, drop }) {
  layer = handles;
  layer.append(stacks);
  lookAround = closer;
  leaders = leaderGroup;
  openVersion = open;
  enterVersion = enter;
  dropOn = drop;
}
