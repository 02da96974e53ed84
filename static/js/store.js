// All that the page knows. Everyone may read `state`; only the functions here change it.
import { uuid } from "./dom.js";

export const state = {
  draft: null, // {id, title, number}
  paragraphs: new Map(), // id → {id, text, head, on_canvas}
  order: [],
  versions: new Map(),
  details: new Map(), // version id → detail, or {problem}
  whys: new Map(), // version id → why it stands where it does, or {problem}; `stale` when that is to be asked anew
  rescore: null, // the last job of measuring again: {status, done, total, problem}
  generations: new Map(), // id → generation, with what is being written in `partial`
  selected: null, // version id
  paragraph: null, // selected paragraph id; follows the selected version
  hovered: null, // version id
  hoveredParagraph: null,
  armed: null, // {push, name} of the label under the pointer
  labels: { groups: [], candidates: 3 },
  model: { status: "loading", info: null, problem: null, scorer: { status: "loading" }, queue: null },
  drafts: [],
  save: { state: "saved", reason: "" },
  placing: new Set(), // paragraphs being measured for the canvas
  conflicts: [], // {paragraph_id, theirs, removed}: the other version, and whether its paragraph was removed
  steps: { undo: null, redo: null }, // what can be taken back, what can be done again: {id, kind, paragraph_id}
  turns: [], // of the chat, as they were when the page was opened: generations with {versions: {index: id}}
  prompts: [], // the writer's kept prompts: {id, name, text, pinned}
  sources: [], // {id, title, chars, created_at}
  trajectory: [], // where the whole draft stood, oldest first: {at, engagement, exposition, why}
  leftOut: 0, // paragraphs that are not in it, as they stand on another scale
  goals: [], // {id, audience, engagement: [low, high], exposition: [low, high], active}
  // `state`: idle, thinking, done, stopped or error; `about` is the observation that is being thought about
  muse: { open: false, state: "idle", digest: [], cards: [], about: "", position: null, reason: "", problem: null },
  learn: { consent: null, problem: "" }, // whether the writer lets the model learn; null until it is known
  picked: [], // versions picked for comparing or combining, in the order of picking
  ui: { numbers: false, discarded: true, changes: true, way: true, tint: "both", editing: null, pane: "draft" },
};

const listeners = [];
const stale = new Set();
let telling = false;
let pressed = false; // a button is down: drawn anew meanwhile, it would be gone before it is let go, and the click with it
let release = 0;
const HELD_AT_MOST = 500; // ms

/** Call `draw` once after any of these topics changed; several changes in one turn are one call. */
export function on(topics, draw) {
  listeners.push({ topics: topics.split(" "), draw });
}

function changed(...topics) {
  for (const topic of topics) stale.add(topic);
  if (!pressed) tellSoon();
}

function tellSoon() {
  if (telling || !stale.size) return;
  telling = true;
  queueMicrotask(tell);
}

function letGo(after) {
  clearTimeout(release);
  release = setTimeout(() => { pressed = false; tellSoon(); }, after);
}

addEventListener("pointerdown", ({ target }) => {
  pressed = target instanceof Element && Boolean(target.closest("button:not(.node, [draggable=true])"));
  if (pressed) letGo(HELD_AT_MOST);
}, true);
addEventListener("pointerup", () => letGo(0), true);
addEventListener("pointercancel", () => letGo(0), true);
addEventListener("click", () => { pressed = false; }, true); // what it does is drawn at once

function tell() {
  telling = false;
  const topics = new Set(stale);
  stale.clear();
  for (const { topics: wanted, draw } of listeners) if (wanted.some((topic) => topics.has(topic))) draw(topics);
}

// ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const versionOf = (id) => state.versions.get(id) || null;
export const paragraphOf = (id) => state.paragraphs.get(id) || null;
export const numberOf = (paragraphId) => state.order.indexOf(paragraphId) + 1;
export const headOf = (paragraphId) => versionOf(paragraphOf(paragraphId)?.head);
export const parentsOf = (version) => (version?.parents || []).map(versionOf).filter(Boolean);
export const parentOf = (version) => versionOf(version?.parents?.[0]);
export const isHead = (version) => paragraphOf(version.paragraph_id)?.head === version.id;
export const isDirty = (paragraph) => (headOf(paragraph.id)?.text ?? "") !== paragraph.text;
export const isEmptyDraft = () => state.order.every((id) => !paragraphOf(id).text.trim());

/** Where to draw a version: where the writer put it, else where it measures, or its nearest ancestor's place until it has one. */
export function placeOf(version) {
  for (let at = version; at; at = parentOf(at)) if (at.placement) return at.human_placement ?? at.placement;
  return null;
}

/** Whether another scorer than the one in use placed it. */
export function otherScale({ placement }) {
  const inUse = state.model.scorer?.scorer_id;
  return Boolean(placement && inUse && placement.scorer_id !== inUse);
}

/** The versions that are nodes on the canvas now, oldest first. */
export function nodes() {
  const found = [];
  for (const version of state.versions.values()) {
    if (version.folded || version.archived || !paragraphOf(version.paragraph_id)?.on_canvas || !numberOf(version.paragraph_id)) continue;
    if (version.status === "discarded" && !state.ui.discarded && version.id !== state.selected) continue;
    if (placeOf(version)) found.push(version);
  }
  return found.sort((a, b) => a.number - b.number);
}

/** All that came of it is archived, as when it was undone. */
const putAway = (generation) => {
  const made = Object.values(generation.versions || {}).map(versionOf).filter(Boolean);
  return !running(generation) && made.length > 0 && made.every((version) => version.archived);
};

export const running = (generation) => ["asking", "queued", "running"].includes(generation.status);

/** The generation whose results belong beside the selected version: from it, or the one it came out of. */
export function generationBeside(version) {
  if (!version) return null;
  const all = [...state.generations.values()].filter((it) => it.paragraph_id === version.paragraph_id && !putAway(it)).reverse();
  return all.find(running) || all.find((it) => it.parent_version_id === version.id) || all.find((it) => it.id === version.generation_id) || null;
}

// ── The draft ──────────────────────────────────────────────────────────────────────────────────────────────────────

function keepParagraph(served) {
  const known = state.paragraphs.get(served.id);
  const was = known ? headOf(served.id)?.text : undefined;
  const head = served.head ?? served.head_version_id ?? null;
  const next = { ...known, id: served.id, head, on_canvas: served.on_canvas };
  const text = state.versions.get(head)?.text ?? "";
  // What is typed and not yet acknowledged wins over what the server has: the outbox settles it.
  if (!known || known.text === was) next.text = text;
  state.paragraphs.set(served.id, next);
}

export function openDraft(draft) {
  state.draft = { id: draft.id, title: draft.title, number: draft.number };
  keepVersions(draft.versions);
  for (const paragraph of draft.paragraphs) keepParagraph(paragraph);
  state.order = draft.paragraphs.filter((it) => !it.removed).map((it) => it.id);
  for (const generation of draft.generations || []) keepGeneration(generation);
  state.sources = draft.sources || [];
  state.goals = draft.goals || [];
  state.steps = draft.steps || state.steps;
  changed("draft", "text", "versions", "generations", "sources", "goals", "steps");
}

export function keepVersions(versions = []) {
  for (const version of versions) state.versions.set(version.id, version);
  if (versions.length) changed("versions");
}

/** Take in paragraphs as the server has them now; a head that moved takes the selection with it. */
export function keepParagraphs(paragraphs = []) {
  for (const served of paragraphs) {
    const before = paragraphOf(served.id)?.head;
    if (served.removed && !paragraphOf(served.id)?.text.trim()) {
      if (paragraphOf(served.id)) keepParagraph(served);
      continue;
    }
    keepParagraph(served);
    if (state.selected && state.selected === before) state.selected = paragraphOf(served.id).head;
    if (served.id === state.paragraph && !state.selected) state.selected = paragraphOf(served.id).head;
    if (!served.removed && !state.order.includes(served.id)) state.order.push(served.id);
  }
  if (paragraphs.length) changed("draft", "text", "versions", "selection");
}

export function setNumber(number) {
  if (number) state.draft.number = number;
}

export function setTitle(title) {
  state.draft.title = title;
  changed("title");
}

export function setText(paragraphId, text) {
  paragraphOf(paragraphId).text = text;
  changed("text");
}

/** New paragraphs after `afterId` (null: at the end, undefined: at the beginning); gives their ids. */
export function insertParagraphs(afterId, texts, ids = texts.map(uuid)) {
  const at = afterId === null ? state.order.length : state.order.indexOf(afterId) + 1;
  state.order.splice(at, 0, ...ids);
  ids.forEach((id, i) => state.paragraphs.set(id, { id, text: texts[i], head: null, on_canvas: false }));
  changed("draft", "text");
  return ids;
}

/** Put the order the writer sees (after a paragraph was moved or restored). */
export function setOrder(order) {
  state.order = order.filter((id) => state.paragraphs.has(id));
  changed("draft");
}

export function dropParagraph(id) {
  state.order = state.order.filter((it) => it !== id);
  const paragraph = paragraphOf(id);
  if (paragraph) paragraph.text = "";
  if (state.paragraph === id) {
    state.paragraph = null;
    state.selected = null;
  }
  changed("draft", "text", "versions", "selection");
}

// ── Selection and hovering ─────────────────────────────────────────────────────────────────────────────────────────

export function select(versionId) {
  if (state.selected === versionId) return;
  state.selected = versionId;
  state.paragraph = versionOf(versionId)?.paragraph_id ?? null;
  state.ui.editing = null;
  changed("selection");
}

export function selectParagraph(id) {
  if (state.paragraph === id && state.selected) return;
  state.paragraph = id;
  state.selected = paragraphOf(id)?.head ?? null;
  state.ui.editing = null;
  changed("selection");
}

export function hover(versionId) {
  if (state.hovered === versionId) return;
  state.hovered = versionId;
  changed("hover");
}

export function hoverParagraph(id) {
  if (state.hoveredParagraph === id) return;
  state.hoveredParagraph = id;
  changed("hover");
}

export function arm(label) {
  state.armed = label;
  changed("armed");
}

// ── Generations ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Take in a generation; what this page already saw being written is kept. */
export function keepGeneration(generation, replaces = null) {
  const known = state.generations.get(replaces ?? generation.id);
  if (replaces) state.generations.delete(replaces);
  const slots = generation.n ?? (typeof generation.slots === "number" ? generation.slots : known?.slots) ?? 3;
  state.generations.set(generation.id, {
    versions: {}, position: null, message: "", landed: null, ...known, ...generation,
    slots, partial: { ...(generation.partial || {}), ...(known?.partial || {}) },
  });
  changed("generations");
}

export function changeGeneration(id, changes) {
  const generation = state.generations.get(id);
  if (!generation) return;
  Object.assign(generation, changes);
  changed("generations");
}

export function addToken(id, index, text) {
  const { partial } = state.generations.get(id);
  partial[index] = (partial[index] || "") + text;
  changed("tokens");
}

/** A candidate was no good: its slot is written anew, or stays empty when the server has given up on it. */
export function dropCandidate(id, index, forGood) {
  const generation = state.generations.get(id);
  generation.partial[index] = "";
  if (forGood) generation.gone = { ...generation.gone, [index]: true };
  changed("tokens", ...(forGood ? ["generations"] : []));
}

export function landVersion(id, index, version) {
  state.versions.set(version.id, version);
  const generation = state.generations.get(id);
  generation.versions = { ...generation.versions, [index]: version.id };
  generation.landed = { index, id: version.id };
  changed("versions", "generations");
}

export function forgetGeneration(id) {
  state.generations.delete(id);
  changed("generations");
}

// ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Take in what the server says of the draft, all of it or what a step changed, with `order` as it is now. Text that was
 * typed and is not acknowledged stays, and so do paragraphs the server does not know yet.
 */
export function takeIn({ versions, paragraphs, order, title, number, sources, goals, steps }) {
  const wasArchived = versionOf(state.selected)?.archived;
  for (const version of versions) state.versions.set(version.id, version);
  for (const served of paragraphs) {
    const before = paragraphOf(served.id);
    const known = before && state.order.includes(served.id);
    keepParagraph(served);
    const after = paragraphOf(served.id);
    if (!known && !served.removed) after.text = headOf(served.id)?.text ?? "";
    if (state.selected && state.selected === before?.head) state.selected = after.head;
  }
  // A blank paragraph that the server never had is only the page's own place to begin.
  const unsent = (id) => (paragraphOf(id).head === null ? paragraphOf(id).text.trim() !== "" : isDirty(paragraphOf(id)));
  const next = [...order];
  state.order.forEach((id, i) => {
    if (next.includes(id) || !unsent(id)) return;
    const above = state.order.slice(0, i).findLast((it) => next.includes(it));
    next.splice(above ? next.indexOf(above) + 1 : 0, 0, id);
  });
  state.order = next;
  Object.assign(state.draft, { title, number });
  Object.assign(state, { sources, goals, steps });
  if (state.paragraph && !next.includes(state.paragraph)) {
    state.paragraph = null;
    state.selected = null;
  } else if (versionOf(state.selected)?.archived && !wasArchived) {
    state.selected = paragraphOf(state.paragraph)?.head ?? null;
  }
  changed("draft", "title", "text", "versions", "selection", "sources", "goals", "steps");
}

export function setSteps(steps) {
  state.steps = steps;
  changed("steps");
}

// ── Picked versions ────────────────────────────────────────────────────────────────────────────────────────────────

export function setPicked(ids) {
  state.picked = ids;
  changed("picked");
}

// ── The chat ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function setTurns(turns) {
  state.turns = turns;
  changed("turns");
}

// ── Kept prompts ───────────────────────────────────────────────────────────────────────────────────────────────────

export function setPrompts(prompts) {
  state.prompts = prompts;
  changed("prompts");
}

// ── Sources ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function setSources(sources) {
  state.sources = sources;
  changed("sources");
}

// ── Goals ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function setGoals(goals) {
  state.goals = goals;
  changed("goals");
}

export function setTrajectory(points, leftOut) {
  state.trajectory = points;
  state.leftOut = leftOut;
  changed("trajectory");
}

/** Where the whole draft stands; null until two paragraphs are placed, since one is its own mark. */
export const wholeDraft = () => (state.order.filter((id) => paragraphOf(id).on_canvas).length < 2 ? null : state.trajectory.at(-1) || null);
export const activeGoal = () => state.goals.find((goal) => goal.active) || null;

// ── Muse ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export function setMuse(changes) {
  Object.assign(state.muse, changes);
  changed("muse");
}

// ── The rest ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function keepDetail(id, detail) {
  state.details.set(id, detail);
  changed("details");
}

/** Details are fetched anew when what they tell may have changed. */
export function forgetDetails() {
  state.details.clear();
  changed("details");
}

let age = 0; // how often what it rests on has changed
export const whyAge = () => age;

/** `askedAt`: the age when it was asked for; what changed since makes it stale at once. */
export function keepWhy(id, why, askedAt) {
  state.whys.set(id, { ...why, stale: askedAt !== age });
  changed("whys");
}

/** What is known of why versions stand where they do is shown until it is asked anew. */
export function ageWhys() {
  age += 1;
  for (const why of state.whys.values()) why.stale = true;
  changed("whys");
}

export function setRescore(job) {
  state.rescore = job;
  changed("rescore");
}

export function setLabels(labels) {
  state.labels = labels;
  changed("labels");
}

export function setModel(model) {
  state.model = model;
  changed("model");
}

export function setLearn(learn) {
  state.learn = { ...state.learn, ...learn };
  changed("model");
}

export function setDrafts(drafts) {
  state.drafts = drafts;
  changed("drafts");
}

export function setSave(save, reason = "") {
  if (state.save.state === save && state.save.reason === reason) return;
  state.save = { state: save, reason };
  changed("save");
}

export function setPlacing(ids, on) {
  for (const id of ids) state.placing[on ? "add" : "delete"](id);
  changed("placing");
}

export function setConflicts(conflicts) {
  state.conflicts = conflicts;
  changed("conflicts");
}

export function setUi(changes) {
  Object.assign(state.ui, changes);
  changed("ui");
}
