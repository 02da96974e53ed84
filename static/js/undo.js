// Undo and redo: one history for typing and for what the model wrote, kept by the server.
import { attempt, reload, scoreSoon } from "./actions.js";
import { get, post } from "./api.js";
import { announce, byId, icon, isTyping } from "./dom.js";
import { caretTo } from "./editor.js";
import { labelOf } from "./generations.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import * as store from "./store.js";
import { edit } from "./textwork.js";
import { STEP_WORDS } from "./words.js";

const { state } = store;
const ASK_AFTER = 250;
const VERBS = { undo: { name: "Undo", done: "Undone" }, redo: { name: "Redo", done: "Redone" } };
const PROBLEMS = ["stale-step", "changed-since", "nothing"];

// ── What is next ───────────────────────────────────────────────────────────────────────────────────────────────────

let timer = 0;
let behind = false; // something changed since the steps were fetched

/** Whoever changed the draft need not think of us: we ask what the next step is once things are quiet. */
function askSoon() {
  behind = true;
  clearTimeout(timer);
  timer = setTimeout(() => askNow().catch(() => {}), ASK_AFTER);
}

async function askNow() {
  clearTimeout(timer);
  if (!state.draft) return;
  behind = false;
  try {
    store.setSteps(await get(`/api/drafts/${state.draft.id}/steps`));
  } catch (problem) {
    behind = true;
    throw problem;
  }
}

/** A step in a few words: “confirm version 4 of paragraph 2”. */
export function stepWords({ kind, paragraph_id: id, version_id: versionId, versions: count }) {
  const version = store.versionOf(versionId);
  const number = id ? store.numberOf(id) : 0;
  const paragraph = number ? `paragraph ${number}` : id ? "a paragraph" : "";
  const words = STEP_WORDS[kind] ?? (() => kind.replaceAll(/[-_.]/g, " "));
  return words({ paragraph, count, version: version ? `version ${version.number}` : "a version", label: labelOf(version?.label)?.name });
}

function draw() {
  for (const [verb, { name }] of Object.entries(VERBS)) {
    const button = byId(verb);
    const step = state.steps[verb];
    const words = step ? `${name}: ${stepWords(step)}` : `Nothing to ${verb}`;
    button.hidden = false;
    button.setAttribute("aria-label", words);
    button.title = `${words} (${verb === "undo" ? "Ctrl+Z" : "Ctrl+Shift+Z"})`;
    if (step) button.removeAttribute("aria-disabled");
    else button.setAttribute("aria-disabled", "true");
  }
}

// ── Doing it ───────────────────────────────────────────────────────────────────────────────────────────────────────

let lane = Promise.resolve(); // pressed three times is undone three times, one after another
let composing = null; // resolves when the input method is done

/** `verb`: undo or redo. */
export function turn(verb) {
  lane = lane.then(() => attempt(() => go(verb)));
  return lane;
}

async function go(verb) {
  const unsent = state.save.state !== "saved";
  await outbox.settled();
  if (unsent || behind) await askNow();
  const step = state.steps[verb];
  if (!step) {
    announce(`There is nothing to ${verb}.`);
    return;
  }
  const words = stepWords(step);
  let answer;
  try {
    answer = await post(`/api/drafts/${state.draft.id}/${verb}`, { step: step.id });
  } catch (problem) {
    if (!PROBLEMS.includes(problem.code)) throw problem;
    await reload();
    notice(problem.sentence);
    return;
  }
  await composing?.promise;
  take(answer);
  announce(`${VERBS[verb].done}: ${words}.`);
}

function take(answer) {
  const wasTyping = document.activeElement?.closest("#paragraphs") !== null && isTyping(document.activeElement);
  const before = new Map(state.order.map((id) => [id, store.paragraphOf(id).text]));
  store.takeIn({ ...answer, title: outbox.unsentTitle() ?? answer.title });
  outbox.rebase(answer.versions);
  behind = false;
  clearTimeout(timer);
  show(before, answer.step, wasTyping);
  scoreSoon();
}

/** What changed is selected; whoever was typing goes on typing where the text changed. */
function show(before, step, wasTyping) {
  const changed = state.order.filter((id) => before.has(id) && before.get(id) !== store.paragraphOf(id).text);
  const came = state.order.filter((id) => !before.has(id));
  const id = changed[0] ?? came[0] ?? (state.order.includes(step.paragraph_id) ? step.paragraph_id : null);
  if (!id) {
    // The paragraph that held the caret may have gone; whether it has is known once the page is drawn.
    if (wasTyping) setTimeout(() => { if (!isTyping(document.activeElement)) caretTo(nearest(before), Infinity); });
    return;
  }
  const text = store.paragraphOf(id).text;
  const { at, inserted } = edit(before.get(id) ?? "", text);
  if (wasTyping && before.get(id) !== text) caretTo(id, at + inserted.length);
  else store.selectParagraph(id);
}

/** The paragraph above the first one that is no longer there. */
function nearest(before) {
  const ids = [...before.keys()];
  const gone = ids.findIndex((id) => !state.order.includes(id));
  return ids.slice(0, Math.max(gone, 0)).findLast((id) => state.order.includes(id)) ?? state.order[0];
}

// ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Fields that are not the draft (title, prompt, editing by hand) keep the browser's own undo. */
const isElsewhere = (target) => isTyping(target) && !target.matches("select") && !target.closest("#paragraphs");

function verbOf(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return null;
  // The letter by its place where the keyboard has no Latin ones.
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace("Key", "").toLowerCase();
  if (letter === "z") return event.shiftKey ? "redo" : "undo";
  return letter === "y" && !event.shiftKey ? "redo" : null;
}

function keydown(event) {
  const verb = verbOf(event);
  if (!verb || event.isComposing || isElsewhere(event.target) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  turn(verb);
}

/** The browser's own undo, from a menu: it would know nothing of what the model wrote. */
function beforeInput(event) {
  const verb = { historyUndo: "undo", historyRedo: "redo" }[event.inputType];
  if (!verb) return;
  event.preventDefault();
  turn(verb);
}

export function start() {
  for (const verb of Object.keys(VERBS)) {
    const button = byId(verb);
    button.append(icon(verb));
    button.setAttribute("aria-keyshortcuts", verb === "undo" ? "Control+Z" : "Control+Shift+Z");
    button.addEventListener("click", () => turn(verb));
  }
  draw();
  store.on("steps versions draft labels", draw);
  store.on("versions draft sources goals generations", (topics) => { if (!topics.has("steps")) askSoon(); });
  store.on("save", () => { if (state.draft && state.save.state === "saved") askSoon(); });
  addEventListener("keydown", keydown);
  byId("paragraphs").addEventListener("beforeinput", beforeInput);
  byId("paragraphs").addEventListener("compositionstart", () => { composing ??= Promise.withResolvers(); });
  byId("paragraphs").addEventListener("compositionend", () => {
    composing?.resolve();
    composing = null;
  });
}
