// Typed text that the server has not acknowledged: on this disk first, one delivery in flight, retried until it is in.
import { patch, post, Problem } from "./api.js";
import * as disk from "./disk.js";
import { uuid } from "./dom.js";
import * as store from "./store.js";
import { claim, ifGone, tab } from "./tabs.js";

const EVERY = 1000; // one save a second at most: each is a version
const PAUSE = 400; // the first letter waits for a few more
const SLOW = 3000;
const { state } = store;

let draft = null;
const pending = new Map(); // paragraph id → edit, newest text
const held = new Map(); // paragraph id → edit in conflict, waiting for the writer
let flight = null; // {key, edits, order}
let title = null;
let refused = ""; // why the server won't take what is pending; typing again tries anew
let timer = 0;
let wait = 0;
let lastSent = 0;
let idle = []; // resolvers of settled()

/** Take a paragraph's text as it now stands. `base` is the version it was typed over. */
export function keep(paragraphId, text, base) {
  const before = pending.get(paragraphId);
  const edit = { paragraph_id: paragraphId, base: before ? before.base : base, text };
  const inFlight = flight?.edits.some((it) => it.paragraph_id === paragraphId);
  if (held.has(paragraphId)) {
    held.set(paragraphId, { ...edit, base: held.get(paragraphId).base });
  } else if (!text.trim() && base === null && !inFlight) {
    pending.delete(paragraphId);
    forgetOnDisk(paragraphId);
    settle();
    return;
  } else {
    pending.set(paragraphId, edit);
  }
  keepOnDisk(edit);
  refused = "";
  light();
  schedule();
}

export function keepTitle(text) {
  title = text;
  disk.put("notes", { key: `title:${draft}`, text });
  light();
  schedule();
}

/** The order of paragraphs changed without any text changing. */
let reorder = false;
export function keepOrder() {
  reorder = true;
  light();
  schedule();
}

const keepOnDisk = (edit, order = state.order) =>
  disk.queue("edits", [tab, draft, edit.paragraph_id], { tab, draft, ...edit, order });
const forgetOnDisk = (paragraphId) => disk.queue("edits", [tab, draft, paragraphId], null);

const unsaved = () => pending.size > 0 || held.size > 0 || flight !== null || title !== null || reorder;

/** Resolves once all is acknowledged; rejects with the Problem that stands in the way. */
export function settled() {
  if (!unsaved()) return Promise.resolve();
  schedule(0);
  return new Promise((resolve, reject) => { idle.push({ resolve, reject }); });
}

function settle(problem = null) {
  if (!problem && unsaved()) return;
  const waiting = idle;
  idle = [];
  for (const { resolve, reject } of waiting) (problem ? reject(problem) : resolve());
  if (!problem) light();
}

function light(slow = false) {
  if (held.size) store.setSave("unsaved", "This paragraph was changed elsewhere: choose which text to keep.");
  else if (refused) store.setSave("unsaved", refused);
  else if (!unsaved()) store.setSave("saved");
  else if (!navigator.onLine) store.setSave("offline");
  else store.setSave(slow ? "slow" : "saving");
}

let due = 0;
/** Send after `delay`, or when it is planned for anyway: typing on must not put it off. */
function schedule(delay = Math.max(wait, lastSent + EVERY - Date.now(), PAUSE)) {
  if (timer && Date.now() + delay >= due) return;
  clearTimeout(timer);
  due = Date.now() + delay;
  timer = setTimeout(() => { timer = 0; send(); }, delay);
}

async function send() {
  if (flight?.going || !unsaved() || (refused && !flight)) return;
  if (title !== null && !(await sendTitle())) return;
  if (!flight && !pending.size && !reorder) {
    settle();
    return;
  }
  flight ??= { key: uuid(), edits: inOrder([...pending.values()]), order: reorder ? savedOrder() : undefined };
  flight.going = true;
  for (const edit of flight.edits) if (pending.get(edit.paragraph_id)?.text === edit.text) pending.delete(edit.paragraph_id);
  reorder = false;
  const { key, edits, order } = flight;
  // First what flies is on disk, then it leaves the list of what waits: a crash between keeps it twice, not never.
  await disk.flushed();
  await disk.put("flights", { tab, draft, key, edits, order });
  for (const { paragraph_id } of edits) if (!pending.has(paragraph_id) && !held.has(paragraph_id)) forgetOnDisk(paragraph_id);
  const slow = setTimeout(() => light(true), SLOW);
  lastSent = Date.now();
  try {
    // Once the page is hidden it may be closed at any moment; the browser lets 64 KB outlive it.
    const small = edits.reduce((sum, edit) => sum + edit.text.length, 0) < 15_000;
    const keepalive = small && document.visibilityState === "hidden";
    const answer = await post(`/api/drafts/${draft}/save`, { edits, order }, { key, keepalive, seconds: 30 });
    delivered(answer);
  } catch (problem) {
    failed(problem);
  } finally {
    clearTimeout(slow);
  }
}

/** The server knows only paragraphs that have had text. */
const savedOrder = () => state.order.filter((id) => store.paragraphOf(id).head !== null || pending.has(id) || flight?.edits.some((it) => it.paragraph_id === id));

/** New paragraphs are sent with the one they follow, first to last. */
function inOrder(edits) {
  const place = (edit) => state.order.indexOf(edit.paragraph_id);
  return edits.sort((a, b) => place(a) - place(b)).map((edit) => {
    if (edit.base !== null) return edit;
    const before = state.order.slice(0, Math.max(place(edit), 0)).findLast((id) => store.paragraphOf(id).text.trim());
    return { ...edit, after: before ?? null };
  });
}

function delivered({ versions, paragraphs, number }) {
  disk.erase("flights", [tab, draft]);
  flight = null;
  wait = 0;
  store.keepVersions(versions);
  store.keepParagraphs(paragraphs);
  store.setNumber(number);
  rebase(versions);
  light();
  if (unsaved()) schedule();
  else settle();
}

/** This page itself made these versions the paragraphs' texts: what was typed meanwhile goes on from them. */
export function rebase(versions) {
  for (const [id, edit] of pending) {
    const head = store.paragraphOf(id)?.head;
    if (versions.some((version) => version.id === head)) {
      edit.base = head;
      keepOnDisk(edit);
    }
  }
}

/** A title that waits to be sent; null when there is none. */
export const unsentTitle = () => title;

function failed(problem) {
  flight.going = false;
  if (problem.code === "stale") {
    conflict(problem.body.conflicts || []);
    settle(problem);
    return;
  }
  const temporary = problem.code === "offline" || problem.status >= 500 || [408, 425, 429].includes(problem.status);
  if (temporary) {
    wait = problem.retryAfter ? problem.retryAfter * 1000 : Math.min(Math.max(wait * 2, 1000), 15000);
    if (problem.code === "offline") store.setSave("offline");
    else store.setSave("unsaved", problem.message);
    schedule(wait);
  } else {
    giveBack(flight.edits);
    refused = problem.message;
    store.setSave("unsaved", refused);
  }
  settle(problem);
}

/** What was in flight is pending again, under whatever was typed since. */
function giveBack(edits) {
  for (const { paragraph_id, base, text } of edits) {
    const edit = { paragraph_id, base, text: pending.get(paragraph_id)?.text ?? text };
    pending.set(paragraph_id, edit);
    keepOnDisk(edit);
  }
  disk.erase("flights", [tab, draft]);
  flight = null;
}

function conflict(conflicts) {
  giveBack(flight.edits);
  const open = [];
  for (const { paragraph_id, theirs, removed } of conflicts) {
    const edit = pending.get(paragraph_id);
    pending.delete(paragraph_id);
    store.keepVersions([theirs]);
    if (!edit || edit.text === (removed ? "" : theirs.text)) {
      accept(paragraph_id, theirs, removed);
    } else {
      held.set(paragraph_id, edit);
      open.push({ paragraph_id, theirs, removed });
    }
  }
  const still = state.conflicts.filter((it) => !open.some((other) => other.paragraph_id === it.paragraph_id));
  store.setConflicts([...still, ...open]);
  light();
  if (pending.size) schedule();
}

function accept(paragraphId, theirs, removed) {
  held.delete(paragraphId);
  forgetOnDisk(paragraphId);
  if (!removed) store.setText(paragraphId, theirs.text);
  else store.dropParagraph(paragraphId);
  store.keepParagraphs([{ ...store.paragraphOf(paragraphId), head: theirs.id, removed }]);
}

/** The writer chose. Whichever text is not kept stays in the history (theirs) or was offered for copying (mine). */
export async function resolve(paragraphId, keepMine) {
  const { theirs, removed } = state.conflicts.find((it) => it.paragraph_id === paragraphId);
  const mine = held.get(paragraphId);
  held.delete(paragraphId);
  store.setConflicts(state.conflicts.filter((it) => it.paragraph_id !== paragraphId));
  if (keepMine) {
    const edit = { paragraph_id: paragraphId, base: theirs.id, text: mine.text };
    pending.set(paragraphId, edit);
    keepOnDisk(edit);
    schedule(0);
  } else {
    accept(paragraphId, theirs, removed);
  }
  // Not “saved” before the text given up has left this disk, or a reload would bring it back.
  await disk.flushed();
  light();
  settle();
}

export const heldText = (paragraphId) => held.get(paragraphId)?.text ?? "";

async function sendTitle() {
  const sent = title;
  try {
    await patch(`/api/drafts/${draft}`, { title: sent });
    if (title === sent) title = null;
    disk.erase("notes", `title:${draft}`);
    wait = 0;
    return true;
  } catch (problem) {
    if (problem.status >= 400 && problem.status < 500) {
      title = null;
      disk.erase("notes", `title:${draft}`);
      refused = problem.message;
      light();
    } else {
      wait = Math.min(Math.max(wait * 2, 1000), 15000);
      store.setSave(problem.code === "offline" ? "offline" : "unsaved", problem.code === "offline" ? "" : problem.message);
      schedule(wait);
    }
    settle(problem);
    return false;
  }
}

/** Try again now (the writer pressed the save light, or the network came back). */
export function retry() {
  refused = "";
  wait = 0;
  if (unsaved()) schedule(0);
}

/**
 * Take up what closed tabs left unsent for this draft: first what was in flight, under its old key, so that a save
 * the server already has is not made twice; then what was typed after it.
 */
export async function start(draftId) {
  draft = draftId;
  await claim();
  const names = new Set();
  for (const record of [...(await disk.all("flights")), ...(await disk.all("edits"))]) {
    if (record.draft === draft) names.add(record.tab);
  }
  for (const name of names) await ifGone(name, () => adopt(name).then(() => schedule(0)));
  const note = await disk.read("notes", `title:${draft}`);
  if (note) {
    title = note.text;
    store.setTitle(note.text);
  }
  if (unsaved()) schedule(0);
  light();
}

async function adopt(name) {
  // A tab that closes later than we opened: what is typed here goes first, so that the server can tell what is stale.
  await settled().catch(() => {});
  const left = (await disk.all("flights")).find((it) => it.tab === name && it.draft === draft);
  if (left) await redeliver(left);
  const edits = (await disk.all("edits")).filter((it) => it.tab === name && it.draft === draft);
  for (const { paragraph_id, base, text, order } of edits) {
    place(paragraph_id, text, order);
    const head = left?.edits.some((it) => it.paragraph_id === paragraph_id) ? store.paragraphOf(paragraph_id).head : base;
    const edit = { paragraph_id, base: head, text };
    pending.set(paragraph_id, edit);
    await keepOnDisk(edit, order);
    await disk.erase("edits", [name, draft, paragraph_id]);
    light();
  }
}

async function redeliver(left) {
  try {
    const answer = await post(`/api/drafts/${draft}/save`, { edits: left.edits, order: left.order }, { key: left.key });
    store.keepVersions(answer.versions);
    store.keepParagraphs(answer.paragraphs);
    if (left.order) store.setOrder(left.order);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    // Not in: it is typed text like any other, and its base tells the server whether it is stale.
    for (const { paragraph_id, base, text } of left.edits) {
      place(paragraph_id, text, left.order);
      const edit = { paragraph_id, base, text };
      pending.set(paragraph_id, edit);
      await keepOnDisk(edit, left.order);
    }
  }
  await disk.erase("flights", [left.tab, draft]);
}

/** Show unsent text in its paragraph, which the server may not know yet. */
function place(id, text, order = []) {
  if (!store.paragraphOf(id)) {
    const before = order.slice(0, order.indexOf(id)).findLast((it) => state.order.includes(it));
    store.insertParagraphs(before ?? null, [text], [id]);
  } else {
    store.setText(id, text);
  }
}

addEventListener("online", retry);
addEventListener("offline", () => { if (unsaved()) light(); });
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden" && unsaved() && !wait) schedule(0); });
addEventListener("beforeunload", (event) => { if (unsaved() && !disk.durable) event.preventDefault(); });
