// Typed text that the server has not acknowledged: on this disk first, one delivery in flight, retried until it is in.
import { patch, post, Problem } from "./api.js";
import * as disk from "./disk.js";
import { uuid } from "./dom.js";
import * as store from "./store.js";
import { claim, ifGone, tab } from "./tabs.js";
import { bytes, fitting } from "./textwork.js";

const EVERY = 1000; // one save a second at most: each is a version
const PAUSE = 400; // the first letter waits for a few more
const SLOW = 3000;
const MOST_BYTES = 500_000; // the server takes a million in one request
const MOST_EDITS = 5000;
const { state } = store;

let draft = null;
const pending = new Map(); // paragraph id → edit, newest text
const held = new Map(); // paragraph id → edit in conflict, waiting for the writer
let flight = null; // {key, edits}
let title = null;
const refused = new Map(); // paragraph id or "title" → the Problem it met; typing there again tries anew
let most = MOST_EDITS;
let sending = false;
let timer = 0;
let wait = 0;
let lastSent = 0;
let idle = []; // resolvers of settled()

/** Take a paragraph's text as it now stands. `base` is the version it was typed over. */
export function keep(paragraphId, typed, base) {
  const text = typed.toWellFormed(); // half a surrogate pair would have the whole save refused
  const before = pending.get(paragraphId);
  const edit = { paragraph_id: paragraphId, base: before ? before.base : base, text };
  const inFlight = flight?.edits.some((it) => it.paragraph_id === paragraphId);
  if (held.has(paragraphId)) {
    held.set(paragraphId, { ...edit, base: held.get(paragraphId).base });
  } else if (!text.trim() && base === null && !inFlight) {
    pending.delete(paragraphId);
    refused.delete(paragraphId);
    forgetOnDisk(paragraphId);
    settle();
    return;
  } else {
    pending.set(paragraphId, edit);
  }
  keepOnDisk(edit);
  refused.delete(paragraphId);
  light();
  schedule();
}

export function keepTitle(text) {
  title = text;
  refused.delete("title");
  disk.put("notes", { key: `title:${draft}`, text });
  light();
  schedule();
}

/** With its place, should the draft have to be put together again from what is here. */
function keepOnDisk(edit) {
  const at = state.order.indexOf(edit.paragraph_id);
  return disk.queue("edits", [tab, draft, edit.paragraph_id], { tab, draft, ...edit, at, follows: state.order[at - 1] ?? null });
}
const forgetOnDisk = (paragraphId) => disk.queue("edits", [tab, draft, paragraphId], null);

const unsaved = () => pending.size > 0 || held.size > 0 || flight !== null || title !== null;

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
  else if (refused.size) store.setSave("unsaved", [...refused.values()][0].message);
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
  if (sending || !unsaved()) return;
  sending = true;
  try {
    await sendNext();
  } finally {
    sending = false;
  }
}

/** What keeps everything that waits from being sent: the writer has to act first. */
function obstacle() {
  const [problem] = refused.values();
  return problem ?? (held.size ? new Problem({ code: "stale", detail: "A paragraph was changed elsewhere: choose which text to keep." }) : null);
}

async function sendNext() {
  if (title !== null && !(await sendTitle())) return;
  if (!flight) {
    const edits = load();
    if (!edits.length) {
      settle(obstacle());
      return;
    }
    flight = { key: uuid(), edits };
  }
  for (const edit of flight.edits) if (pending.get(edit.paragraph_id)?.text === edit.text) pending.delete(edit.paragraph_id);
  const { key, edits } = flight;
  // First what flies is on disk, then it leaves the list of what waits: a crash between keeps it twice, not never.
  await disk.flushed();
  await disk.put("flights", { tab, draft, key, edits });
  for (const { paragraph_id } of edits) if (!pending.has(paragraph_id) && !held.has(paragraph_id)) forgetOnDisk(paragraph_id);
  const slow = setTimeout(() => light(true), SLOW);
  lastSent = Date.now();
  try {
    // Once the page is hidden it may be closed at any moment; the browser lets 64 KB outlive it.
    const small = edits.reduce((sum, edit) => sum + edit.text.length, 0) < 15_000;
    const keepalive = small && document.visibilityState === "hidden";
    const answer = await post(`/api/drafts/${draft}/save`, { edits }, { key, keepalive, seconds: 30 });
    delivered(answer);
  } catch (problem) {
    failed(problem);
  } finally {
    clearTimeout(slow);
  }
}

const tooLarge = (text) => text.length * 6 > MOST_BYTES && bytes(text) > MOST_BYTES;

/** As many edits as one request may carry, in the draft's order. One too large to share a request comes last, alone. */
function load() {
  const place = new Map(state.order.map((id, i) => [id, i]));
  const rank = (edit) => (tooLarge(edit.text) ? state.order.length : 0) + (place.get(edit.paragraph_id) ?? -1);
  const waiting = [...pending.values()].filter((edit) => !refused.has(edit.paragraph_id)).sort((a, b) => rank(a) - rank(b));
  return fitting(waiting, MOST_BYTES, most).map(placed);
}

/** Paragraphs that are not in the server's draft, new ones and removed ones, are sent with the one they follow. */
function placed(edit) {
  if (store.versionOf(edit.base)?.text) return edit;
  const before = state.order.slice(0, Math.max(state.order.indexOf(edit.paragraph_id), 0)).findLast((id) => {
    const { head, text } = store.paragraphOf(id);
    return text.trim() && (store.versionOf(head)?.text || (!refused.has(id) && !tooLarge(text)));
  });
  return { ...edit, after: before ?? null };
}

function delivered({ versions, paragraphs, number }) {
  disk.erase("flights", [tab, draft]);
  flight = null;
  wait = 0;
  most = MOST_EDITS;
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
    const { edits } = flight;
    giveBack(edits);
    if ([413, 422].includes(problem.status) && edits.length > 1) {
      // Smaller loads, until only what is refused by itself stays behind.
      most = Math.ceil(edits.length / 2);
    } else {
      most = MOST_EDITS;
      for (const { paragraph_id, text } of edits) if (pending.get(paragraph_id).text === text) refused.set(paragraph_id, problem);
    }
    light();
    schedule(0);
    return;
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
    if (title === sent) {
      title = null;
      disk.erase("notes", `title:${draft}`);
    }
    wait = 0;
    return true;
  } catch (problem) {
    if (problem.status >= 400 && problem.status < 500) {
      title = null;
      disk.erase("notes", `title:${draft}`);
      refused.set("title", problem);
      light();
      if (unsaved()) schedule(0);
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
  refused.clear();
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
  const edits = (await disk.all("edits")).filter((it) => it.tab === name && it.draft === draft).sort((a, b) => a.at - b.at);
  for (const { paragraph_id, base, text, follows } of edits) {
    place(paragraph_id, text, follows);
    const head = left?.edits.some((it) => it.paragraph_id === paragraph_id) ? store.paragraphOf(paragraph_id).head : base;
    const edit = { paragraph_id, base: head, text };
    pending.set(paragraph_id, edit);
    await keepOnDisk(edit);
    await disk.erase("edits", [name, draft, paragraph_id]);
    light();
  }
}

async function redeliver(left) {
  try {
    const answer = await post(`/api/drafts/${draft}/save`, { edits: left.edits }, { key: left.key });
    store.keepVersions(answer.versions);
    store.keepParagraphs(answer.paragraphs);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    // Not in: it is typed text like any other, and its base tells the server whether it is stale.
    for (const { paragraph_id, base, text, after } of left.edits) {
      place(paragraph_id, text, after);
      const edit = { paragraph_id, base, text };
      pending.set(paragraph_id, edit);
      await keepOnDisk(edit);
    }
  }
  await disk.erase("flights", [left.tab, draft]);
}

/** Show unsent text in its paragraph, which the server may not know yet. */
function place(id, text, follows) {
  if (!store.paragraphOf(id)) store.insertParagraphs(null, [text], [id]);
  else store.setText(id, text);
  if (!text.trim() || (state.order.includes(id) && store.paragraphOf(id).head)) return;
  const others = state.order.filter((it) => it !== id);
  const at = follows === null ? 0 : others.includes(follows) ? others.indexOf(follows) + 1 : others.length;
  store.setOrder(others.toSpliced(at, 0, id));
}

addEventListener("online", retry);
addEventListener("offline", () => { if (unsaved()) light(); });
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden" && unsaved() && !wait) schedule(0); });
addEventListener("beforeunload", (event) => { if (unsaved() && !disk.durable) event.preventDefault(); });
