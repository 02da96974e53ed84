// Where the draft should land for an audience, and how far it is from there.
import { get, post, Problem, remove } from "./api.js";
import { addLayer, placeAt, reveal } from "./canvas.js";
import { announce, byId, el, icon, svg } from "./dom.js";
import { nameOfMark } from "./geometry.js";
import { begin } from "./mode.js";
import { allSpots, HALF, redress } from "./nodes.js";
import { notice } from "./notices.js";
import { showPane } from "./panes.js";
import * as store from "./store.js";
import { goalWords, plural } from "./words.js";

const { state } = store;
const NARROWEST = 2;
const FIRST = { engagement: [48, 58], exposition: [48, 58] };
const NOTE = "Suggestions to start from, in points: 50 is the mean of the reference texts, 10 is one standard deviation.";
const TRAJECTORY_AFTER = 300;

let audiences = [];
let wanted = null; // {engagement, exposition} being drawn, in Goal mode
let named = ""; // for whom, as far as it is known
let mode = null; // what Goal mode put on the page: {pad, card, region, field}
let pop = null;
let drawAgain = () => {};
let leave = () => {};

const round = (value) => Math.round(value * 10) / 10;
const sideWords = ([low, high]) => `${round(low)} to ${round(high)}`;
const regionWords = (it) => `engagement ${sideWords(it.engagement)}, exposition ${sideWords(it.exposition)}`;
const corners = (it) => [0, 1].map((i) => ({ engagement: it.engagement[i], exposition: it.exposition[i] }));

/** A refusal becomes a notice; nothing that was drawn is lost. */
async function attempt(work, said) {
  try {
    store.setGoals((await work()).goals);
    announce(said);
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    notice(problem.sentence, { bad: true, actions: [["Try again", () => attempt(work, said)]] });
    return false;
  }
}

// ── What is drawn ──────────────────────────────────────────────────────────────────────────────────────────────────

function box(project, it) {
  const a = project(it.engagement[0], it.exposition[1]);
  const b = project(it.engagement[1], it.exposition[0]);
  return { x: a.x, y: a.y, width: b.x - a.x, height: b.y - a.y };
}

function drawRegion(group, project, it, name, kind) {
  const at = box(project, it);
  group.append(svg("rect", { class: `goal-region ${kind}`, ...at, rx: 4 }));
  if (!name) return;
  const words = svg("text", { class: "goal-name", x: at.x + 8, y: at.y + 18 });
  group.append(words);
  words.append(...lines(words, name, at.width - 16).map((line, i, all) => {
    const part = svg("tspan", { x: at.x + 8, dy: i ? 16 : 0 });
    part.textContent = i < all.length - 1 ? `${line} ` : line;
    return part;
  }));
}

let broken = { name: "", width: 0, lines: [] }; // a frame of a drag measures nothing anew

/** The name in lines as wide as the region, where its words allow. */
function lines(words, name, width) {
  const whole = Math.floor(width);
  if (broken.name === name && broken.width === whole) return broken.lines;
  const found = [];
  for (const word of name.split(/\s+/)) {
    words.textContent = [...found.slice(-1), word].join(" ");
    if (found.length && words.getComputedTextLength() <= whole) found.push(`${found.pop()} ${word}`);
    else found.push(word);
  }
  words.textContent = "";
  broken = { name, width: whole, lines: found };
  return found;
}

/** The whole draft's own mark, and the way it has come. */
function drawWay(group, project) {
  if (!store.wholeDraft()) return;
  const points = state.trajectory.map((it) => project(it.engagement, it.exposition));
  const now = points.at(-1);
  if (state.ui.way && points.length > 1) {
    group.append(svg("polyline", { class: "draft-way", points: points.map(({ x, y }) => `${x},${y}`).join(" ") }));
    for (const { x, y } of points.slice(0, -1)) group.append(svg("circle", { class: "draft-stage", cx: x, cy: y, r: 2 }));
  }
  group.append(
    svg("circle", { class: "draft-mark", cx: now.x, cy: now.y, r: 9 }),
    svg("path", { class: "draft-mark", d: `M${now.x - 13} ${now.y}h8M${now.x + 5} ${now.y}h8M${now.x} ${now.y - 13}v8M${now.x} ${now.y + 5}v8` }));
  const at = nameOfMark(now, allSpots(), HALF, project);
  const words = svg("text", { class: "draft-name", x: (at.left + at.right) / 2, y: at.bottom - 4 });
  words.textContent = "whole draft";
  group.append(words);
}

function drawLayer(group, project) {
  group.replaceChildren();
  const goal = store.activeGoal();
  if (goal && !wanted) drawRegion(group, project, goal, goal.audience, "set");
  if (wanted) drawRegion(group, project, wanted, named, "wanted");
  drawWay(group, project);
  if (mode?.region) {
    const at = wanted && box(project, wanted);
    mode.region.hidden = !at;
    if (at) Object.assign(mode.region.style, { left: `${at.x}px`, top: `${at.y}px`, width: `${at.width}px`, height: `${at.height}px` });
  }
}

// ── Goal mode ──────────────────────────────────────────────────────────────────────────────────────────────────────

function take(it, said = "") {
  wanted = it;
  if (mode.region && it) mode.region.setAttribute("aria-label", `The goal’s region: ${regionWords(it)}. Arrow keys move it, Shift and arrow keys resize it.`);
  drawAgain();
  if (said) announce(said);
}

/** The card stands in the half of the canvas where the region is not. */
function makeRoom() {
  const { height } = byId("frame").getBoundingClientRect();
  const middle = (wanted.exposition[0] + wanted.exposition[1]) / 2;
  mode.card.dataset.at = middle < placeAt(0, height / 2).exposition ? "top" : "bottom";
}

function nudge(event) {
  if (event.key === "Enter") {
    event.preventDefault();
    keep();
    return;
  }
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
  if (!dx && !dy) return;
  event.preventDefault();
  event.stopPropagation();
  const shift = ([low, high], by) => {
    const next = event.shiftKey ? [low, Math.max(low + NARROWEST, high + by)] : [low + by, high + by];
    return next[0] < -100 || next[1] > 200 ? [low, high] : next;
  };
  const next = { engagement: shift(wanted.engagement, dx), exposition: shift(wanted.exposition, dy) };
  take(next, regionWords(next));
}

function drag(event) {
  if (event.button !== 0) return;
  event.preventDefault();
  const pad = mode.pad;
  const edge = pad.getBoundingClientRect();
  const at = ({ clientX, clientY }) => placeAt(
    Math.min(Math.max(clientX - edge.left, 0), edge.width), Math.min(Math.max(clientY - edge.top, 0), edge.height));
  const from = at(event);
  const between = (to, axis) => [from[axis], to[axis]].map(round).sort((a, b) => a - b);
  const move = (next) => {
    const to = at(next);
    take({ engagement: between(to, "engagement"), exposition: between(to, "exposition") });
  };
  const done = (next) => {
    pad.removeEventListener("pointermove", move);
    pad.removeEventListener("pointerup", done);
    pad.removeEventListener("pointercancel", done);
    if (next.type === "pointercancel" || !wanted || ["engagement", "exposition"].some((axis) => wanted[axis][1] - wanted[axis][0] < NARROWEST)) {
      take(null, "That was too small for a goal. Drag a larger region.");
      return;
    }
    makeRoom();
    announce(`Region drawn: ${regionWords(wanted)}. Name the audience.`);
    mode.field.focus();
  };
  pad.setPointerCapture(event.pointerId);
  for (const [type, heard] of [["pointermove", move], ["pointerup", done], ["pointercancel", done]]) pad.addEventListener(type, heard);
}

function choose(name) {
  const audience = audiences.find((it) => it.name === name);
  if (!audience) return;
  named = audience.name;
  mode.field.value = named;
  mode.reason.textContent = audience.reason;
  take({ engagement: [...audience.engagement], exposition: [...audience.exposition] });
  reveal(corners(wanted));
  makeRoom();
  mode.region.focus();
  announce(`${name}: ${audience.reason} ${regionWords(wanted)}. Arrow keys move the region, Shift and arrow keys resize it.`);
}

const choices = () => audiences.map((it) => el("option", { value: it.name }, it.name));

/** Into Goal mode: a crosshair, a region to drag, a name to give. Panning rests meanwhile. */
export function enter(name = "") {
  closePop();
  if (mode) return;
  showPane("canvas");
  named = "";
  const pad = el("div", { class: "goal-pad", "aria-hidden": "true", onpointerdown: drag });
  const region = el("button", { class: "goal-grip", type: "button", hidden: true, onkeydown: nudge, "aria-label": "The goal’s region" });
  const reason = el("p", { class: "dim" }, NOTE);
  const field = el("input", {
    type: "text", maxlength: "80", dir: "auto", autocomplete: "off", required: true, placeholder: "For whom?", "aria-label": "For whom the draft is meant",
    oninput: () => { named = field.value; drawAgain(); },
  });
  const menu = el("select", { "aria-label": "Start from an audience", onchange: () => choose(menu.value) },
    el("option", { value: "" }, "Start from an audience…"), choices());
  const card = el("form", { class: "goal-card", "aria-label": "Goal mode", onsubmit: (event) => { event.preventDefault(); keep(); } },
    el("p", {}, "Drag where this draft should land, or "), menu, reason,
    el("div", { class: "row" }, field,
      el("button", { class: "button primary", type: "submit" }, "Set goal"),
      el("button", { class: "quiet", type: "button", title: "Esc", onclick: () => leave() }, "Cancel")));
  leave = begin({ name: "Goal mode", nodes: [pad, region, card], key: "o", button: () => byId("goal-button"), left: () => {
    mode = null;
    wanted = null;
    byId("goal-button").setAttribute("aria-pressed", "false");
    drawAgain();
  } });
  mode = { pad, card, region, field, reason, menu };
  byId("goal-button").setAttribute("aria-pressed", "true");
  if (name) {
    menu.value = name;
    choose(name);
  } else {
    menu.focus();
    announce("Goal mode: drag a region on the canvas, or choose an audience from the menu. Escape leaves.");
  }
}

async function keep() {
  if (!wanted) take({ engagement: [...FIRST.engagement], exposition: [...FIRST.exposition] });
  const body = { audience: mode.field.value.trim(), engagement: wanted.engagement, exposition: wanted.exposition };
  if (!body.audience) {
    mode.field.focus();
    announce("Say for whom the draft is meant.");
    return;
  }
  if (await attempt(() => post(`/api/drafts/${state.draft.id}/goals`, body), `Goal set for ${body.audience}.`)) leave();
}

export const toggle = () => (mode ? leave() : enter());

// ── The button's menu ──────────────────────────────────────────────────────────────────────────────────────────────

function wholeWords() {
  const goal = store.activeGoal();
  const now = state.trajectory.at(-1);
  if (!goal) return "No goal yet. Say where the draft should land, and every version tells how far it is from there.";
  const without = state.leftOut ? ` Without ${plural(state.leftOut, "paragraph")} on another scale: these points can’t be compared.` : "";
  return now ? `The whole draft is ${goalWords(now, goal, state.ui.numbers)}.${without}` : "Place paragraphs on the canvas to see how far they are from it.";
}

function earlier(goal) {
  const act = goal.active
    ? () => attempt(() => post(`/api/drafts/${state.draft.id}/goals/clear`), "No goal is set now.")
    : () => attempt(() => post(`/api/goals/${goal.id}/activate`), `Goal set for ${goal.audience}.`);
  return el("li", {},
    el("button", { class: "goal-choice", type: "button", "aria-pressed": String(goal.active), title: goal.active ? "Clear this goal" : "Make this the goal", onclick: act },
      el("span", { dir: "auto" }, goal.audience), el("span", { class: "dim" }, goal.active ? "the goal now" : "")),
    el("button", { class: "quiet only-icon", type: "button", "aria-label": `Remove the goal for ${goal.audience}`, title: "Remove", onclick: () => attempt(() => remove(`/api/goals/${goal.id}`), "Goal removed.") }, icon("bin")));
}

function fillPop() {
  const key = document.activeElement?.dataset?.key;
  pop.replaceChildren(
    el("p", { class: "goal-now" }, wholeWords()),
    state.goals.length ? el("ul", { class: "goal-list", "aria-label": "Goals of this draft" }, [...state.goals].reverse().map(earlier)) : "",
    el("button", { class: "button primary", type: "button", data: { key: "draw" }, title: "O", onclick: () => enter() }, "Draw a goal on the canvas"),
    el("h3", {}, "Or start from an audience"),
    el("ul", { class: "goal-list" }, audiences.map((it) => el("li", {}, el("button", { class: "goal-choice tall", type: "button", onclick: () => enter(it.name) },
      el("span", {}, it.name), el("span", { class: "dim" }, it.reason))))),
    el("p", { class: "dim" }, NOTE),
    el("label", { class: "row" }, el("input", { type: "checkbox", data: { key: "way" }, checked: state.ui.way, onchange: (event) => store.setUi({ way: event.target.checked }) }), "Show the way the whole draft has come"));
  if (key) pop.querySelector(`[data-key="${key}"]`)?.focus();
}

function openPop() {
  const button = byId("goal-button");
  pop = el("div", { class: "pop goal-pop", role: "group", "aria-label": "Goal", onkeydown: (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    closePop();
    button.focus();
  } });
  fillPop();
  button.after(pop);
  pop.style.left = `${Math.max(8, Math.min(button.offsetLeft, innerWidth - pop.offsetWidth - 8))}px`;
  button.setAttribute("aria-expanded", "true");
  pop.querySelector("button")?.focus();
}

function closePop() {
  if (!pop) return;
  pop.remove();
  pop = null;
  byId("goal-button").setAttribute("aria-expanded", "false");
}

// ── The whole draft's way ──────────────────────────────────────────────────────────────────────────────────────────

let fetching = 0;
let known = "";

const standing = () => state.order.map((id) => {
  const head = store.headOf(id);
  return `${head?.id} ${head?.placement?.scorer_id ?? ""}`;
}).join();

/** The server tells the way from the log; ask when a head changed or was measured. */
function followSoon() {
  const now = standing();
  if (now === known) return;
  clearTimeout(fetching);
  fetching = setTimeout(async () => {
    try {
      const way = await get(`/api/drafts/${state.draft.id}/trajectory`);
      if (now !== standing()) return; // asked anew since, and that answer may have come first
      store.setTrajectory(way.points, way.left_out);
      known = now;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem; // the next change asks again; the old way still stands
    }
  }, TRAJECTORY_AFTER);
}

export async function start() {
  const button = byId("goal-button");
  button.append(icon("goal"), el("span", { class: "button-words" }, "Goal"));
  Object.assign(button, { hidden: false, title: "Where the draft should land (O)" });
  button.setAttribute("aria-label", "Goal");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => { if (mode) leave(); else if (pop) closePop(); else openPop(); });
  addEventListener("pointerdown", (event) => { if (pop && !pop.contains(event.target) && !button.contains(event.target)) closePop(); });
  drawAgain = addLayer(drawLayer);
  store.on("goals trajectory ui draft", () => {
    drawAgain();
    redress();
    if (pop) fillPop();
  });
  store.on("versions draft", followSoon);
  try {
    audiences = await get("/api/audiences");
    mode?.menu.append(...choices());
    if (pop) fillPop();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem; // a goal can be drawn without them
  }
}
