// What a writer can do to versions. Each: typed text first goes in, then one call, then the store.
import { get, post, Problem } from "./api.js";
import { announce, sleep } from "./dom.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { KIND_WORDS, kindOf, plural } from "./words.js";

const { state } = store;
const RESCORE_AFTER = 1500;

/** Run `work`; a refusal becomes a notice that offers the same again. Gives undefined then. */
export async function attempt(work) {
  try {
    return await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code !== "stale") notice(problem.sentence, { bad: true, actions: [["Try again", () => attempt(work)]] });
    else if (!state.conflicts.length) await reload("The draft was changed elsewhere. It is up to date now; please try again.");
    return undefined;
  }
}

/** Take the draft as the server has it, keeping what is unsent. */
export async function reload(message) {
  const draft = await get(`/api/drafts/${state.draft.id}`);
  const order = draft.paragraphs.filter((it) => !it.removed).map((it) => it.id);
  store.takeIn({ ...draft, order, title: outbox.unsentTitle() ?? draft.title });
  if (message) notice(message);
  return draft;
}

/** Paragraphs measured by one request: a long draft appears piece by piece, and each answer comes in good time. */
const AT_ONCE = 10;

export function place(paragraphIds, { remove = false } = {}) {
  const wanted = paragraphIds.filter((id) => store.paragraphOf(id)?.text.trim() && !state.placing.has(id));
  if (!wanted.length) {
    announce("There is no text to place yet.");
    return Promise.resolve();
  }
  const placed = new Set();
  if (!remove) store.setPlacing(wanted, true);
  return attempt(async () => {
    await outbox.settled();
    if (!remove) return placeInPieces(wanted, placed);
    await placeThese(wanted, { remove });
    return announce("Taken off the canvas.");
  }).finally(() => store.setPlacing(wanted, false));
}

const LOADING_EVERY = 2000;

/** A server that has just started is still loading its scorer: asked again until it answers or fails. */
async function onceLoaded(work) {
  for (;;) {
    try {
      return await work();
    } catch (problem) {
      if (problem.code !== "model-loading") throw problem;
      await sleep(LOADING_EVERY);
    }
  }
}

async function placeThese(ids, more = {}) {
  const answer = await onceLoaded(() => post(`/api/drafts/${state.draft.id}/place`, { paragraph_ids: ids, ...more }));
  store.keepVersions(answer.versions);
  store.keepParagraphs(answer.paragraphs);
  return answer.problems;
}

/** What was placed stays placed, should a later piece be refused; trying again asks for the rest only. */
async function placeInPieces(wanted, placed) {
  const problems = [];
  for (let ids = next(wanted, placed); ids.length; ids = next(wanted, placed)) {
    try {
      problems.push(...await placeThese(ids));
    } catch (problem) {
      // None of these has a word in it; the others may.
      if (problem.code !== "unplaceable") throw problem;
      problems.push(...problem.body.problems);
    }
    ids.forEach((id) => placed.add(id));
    store.setPlacing(ids, false);
    if (placed.size < wanted.length) announce(`${placed.size} of ${wanted.length} paragraphs measured.`);
  }
  for (const detail of new Set(problems.map((problem) => problem.detail))) notice(detail, { bad: true });
  const count = wanted.length - problems.length;
  if (count && !state.selected) store.selectParagraph(wanted.find((id) => store.paragraphOf(id)?.on_canvas));
  if (count) announce(`${plural(count, "paragraph")} placed on the canvas.`);
}

const next = (wanted, placed) => wanted.filter((id) => store.paragraphOf(id) && !placed.has(id)).slice(0, AT_ONCE);

export const placeAll = () => place(state.order.filter((id) => !store.paragraphOf(id).on_canvas));

let scoring = 0;
/** Text on the canvas changed: measure it again once the writer pauses. */
export function scoreSoon(delay = RESCORE_AFTER) {
  if (!has.canvas) return;
  clearTimeout(scoring);
  scoring = setTimeout(score, delay);
}

const unmeasured = () => store.nodes().some((version) => !version.placement && version.text.trim());

// A pause may end before the text is acknowledged: then what arrives unmeasured asks for it.
store.on("versions", () => { if (!scoring && unmeasured()) scoreSoon(); });

async function score() {
  scoring = 0;
  if (!state.draft || !unmeasured()) return;
  try {
    const { versions } = await post(`/api/drafts/${state.draft.id}/score`);
    store.keepVersions(versions);
  } catch (problem) {
    // The node keeps its old place, drawn as not yet measured; the next pause or a ready model tries again.
    if (problem.status >= 500 || problem.code === "offline") scoreSoon(10000);
  }
}

/** Make a version the paragraph's text; it becomes the base for more work. */
export async function confirm(versionId) {
  await attempt(async () => {
    await outbox.settled();
    const version = store.versionOf(versionId);
    const base = store.paragraphOf(version.paragraph_id).head;
    const answer = await post(`/api/versions/${versionId}/confirm`, { base });
    store.keepVersions([answer.version]);
    store.keepParagraphs([answer.paragraph]);
    store.setNumber(answer.number);
    announce(`Version ${version.number} is confirmed and in the draft.`);
  });
}

async function turn(versionId, verb, words = (version) => KIND_WORDS[kindOf(version)]) {
  await attempt(async () => {
    const answer = await post(`/api/versions/${versionId}/${verb}`);
    const version = answer.version ?? answer;
    store.keepVersions([version]);
    announce(`Version ${version.number} is ${words(version)}.`);
  });
}

export const discard = (versionId) => turn(versionId, "discard");
export const restore = (versionId) => turn(versionId, "restore");
export const archive = (versionId) => turn(versionId, "archive", () => "archived: off the canvas, and in the history");
export const unarchive = (versionId) => turn(versionId, "unarchive", () => "back from the archive");

/** Archive several at once. */
export const archiveAll = (versionIds) => attempt(async () => {
  const { versions } = await post(`/api/drafts/${state.draft.id}/archive`, { version_ids: versionIds });
  store.keepVersions(versions);
  announce(`${plural(versions.length, "version")} archived.`);
});

/** A version edited by hand becomes a new one beside it. Gives its id, or undefined when refused. */
export const saveByHand = (versionId, text) => attempt(async () => {
  const answer = await post(`/api/versions/${versionId}/edits`, { text });
  const version = answer.version ?? answer;
  store.keepVersions([version]);
  store.select(version.id);
  if (!version.placement) scoreSoon(0);
  return version.id;
});

/** Take in the version that `work` answers with; undefined when it is refused. */
export const saveMade = (work) => attempt(async () => {
  const version = await work();
  store.keepVersions([version]);
  return version;
});

/** Keep a version that `work` makes of two others, open it, and measure it where that was not done. */
export const keepMade = (work) => attempt(async () => {
  await outbox.settled();
  const version = await work();
  store.keepVersions([version]);
  open(version.id);
  if (!version.placement) scoreSoon(0);
  announce(`Version ${version.number} is made of two versions.`);
  return version;
});

const MOST_PICKED = 3;
/** Pick a version for comparing or combining, or let it go again. */
export function pick(versionId) {
  const { number } = store.versionOf(versionId);
  const without = state.picked.filter((id) => id !== versionId);
  const dropped = without.length < state.picked.length;
  if (!dropped && without.length === MOST_PICKED) {
    announce(`${MOST_PICKED} versions are picked already. Let one go first.`);
    return;
  }
  store.setPicked(dropped ? without : [...without, versionId]);
  announce(`Version ${number} is ${dropped ? "no longer picked" : "picked"}. ${plural(state.picked.length, "version")} picked.`);
}

const asking = new Set();
/** Fetch what is shown of an opened version: differences, facts, prompt. */
export async function fetchDetail(versionId) {
  const known = state.details.get(versionId);
  if (asking.has(versionId) || (known && !known.problem)) return;
  asking.add(versionId);
  try {
    store.keepDetail(versionId, await get(`/api/versions/${versionId}/detail`));
  } catch (problem) {
    store.keepDetail(versionId, { problem });
  } finally {
    asking.delete(versionId);
  }
}

/** Fetch why an opened version stands where it does. */
export async function fetchWhy(versionId) {
  if (asking.has(`why ${versionId}`)) return;
  asking.add(`why ${versionId}`);
  const age = store.whyAge();
  try {
    store.keepWhy(versionId, await get(`/api/versions/${versionId}/why`), age);
  } catch (problem) {
    store.keepWhy(versionId, { problem }, age);
  } finally {
    asking.delete(`why ${versionId}`);
  }
}

export function open(versionId) {
  store.select(versionId);
  record("node.opened", { version_id: versionId });
}
