// Pressing a label: a ghost at once, the typed text goes in, the request, the stream. One stream a tab; others wait.
import { post, Problem } from "./api.js";
import { announce, uuid } from "./dom.js";
import { place, reload } from "./actions.js";
import * as disk from "./disk.js";
import * as outbox from "./outbox.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { events } from "./stream.js";
import { has } from "./switches.js";
import { moveWords, plural } from "./words.js";

const { state } = store;
const LOST = {
  title: "The connection was lost while writing.",
  detail: "The connection to the server was lost while writing. What had arrived is kept here; try again.",
};

const WATCH_EVERY = 2000;
const MOST_HIDDEN = 100; // more than the server sends

let lane = Promise.resolve(); // streams one after another
const aborts = new Map();

/** Why labels can't be pressed now, in words; empty when they can. */
export function whyNot(paragraphId = state.paragraph) {
  if (state.model.status === "loading") return "The model is loading. Labels wake up when it is ready; you can write and place meanwhile.";
  if (state.model.status === "error") return "The model can’t write now: see its status above. Everything else works.";
  if (!store.paragraphOf(paragraphId)?.text.trim()) return "Select a paragraph or a version, then press what it needs.";
  return "";
}

export function labelOf(id) {
  for (const group of state.labels.groups) for (const label of group.labels) if (label.id === id) return label;
  return null;
}

const target = () => store.versionOf(state.selected) ?? store.headOf(state.paragraph);

/** Ask for new versions: of the selected one, or of `on`, a paragraph and a version of it (null: its text in the draft). */
export async function press(labelId, { strategy = null, prompt = null, on = null, n = state.labels.candidates } = {}) {
  const why = whyNot(on?.paragraph);
  if (why) {
    announce(why);
    return;
  }
  const id = on ? on.paragraph : state.paragraph;
  const version = on ? store.versionOf(on.version) ?? store.headOf(id) : target();
  const onHead = !version || store.isHead(version);
  const temporary = `asking-${uuid()}`;
  store.keepGeneration({
    id: temporary, status: "asking", label: labelId, strategy, prompt, n,
    paragraph_id: id, parent_version_id: version?.id ?? null,
    request: { strategy, prompt, n, on: { paragraph: id, version: onHead ? null : version.id } },
  });
  record("label.pressed", { label: labelId, strategy, ...(version ? { version_id: version.id } : {}) });
  announce(`${labelOf(labelId)?.name ?? "Your own prompt"}: asking for ${plural(n, "version")}.`);
  try {
    await outbox.settled();
    // Only now: what was typed last has become the head.
    const { head, on_canvas: placed } = store.paragraphOf(id);
    const parent = onHead ? head : version.id;
    if (!placed && has.canvas) await place([id]);
    store.changeGeneration(temporary, { parent_version_id: parent });
    const body = { version_id: parent, label: labelId, n, ...(strategy ? { strategy } : {}), ...(prompt ? { prompt } : {}) };
    enqueue(await post("/api/generations", body), temporary);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuse(temporary, problem);
  }
}

/** Why the model can't write now, in words; empty when it can. */
export function whyNotWrite() {
  if (state.model.status === "loading") return "The model is loading. The sentence merge works without it.";
  if (state.model.status === "error") return "The model can’t write now: see its status above. The sentence merge works without it.";
  return "";
}

/** Ask for one version made of two; `mix` is the share of the second. */
export async function combine(a, b, mix) {
  const temporary = `asking-${uuid()}`;
  const first = store.versionOf(a);
  store.keepGeneration({
    id: temporary, status: "asking", label: "combine", n: state.labels.candidates,
    paragraph_id: first.paragraph_id, parent_version_id: a, other_version_id: b, mix, request: { combine: [a, b, mix] },
  });
  announce("Combining two versions.");
  try {
    await outbox.settled();
    enqueue(await post("/api/generations", { version_id: a, other_version_id: b, mix }), temporary);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuse(temporary, problem);
  }
}

/** What a generation is called. */
export function titleOf(generation) {
  if (!generation.other_version_id) return labelOf(generation.label)?.name ?? "Your own prompt";
  const [a, b] = [generation.parent_version_id, generation.other_version_id].map((id) => store.versionOf(id)?.number ?? "?");
  return `Combining versions ${a} and ${b}`;
}

function refuse(id, problem) {
  store.changeGeneration(id, { status: "failed", problem: { detail: problem.sentence, code: problem.code } });
  announce(problem.sentence);
}

/** Stop in the request phase is remembered and carried out when the server knows the generation. */
function enqueue(generation, temporary) {
  const stopped = state.generations.get(temporary)?.stopping;
  store.keepGeneration(generation, temporary);
  if (stopped) {
    stop(generation.id);
    return;
  }
  runInTurn(generation.id);
}

/** Its turn comes after the streams before it, however they end. */
function runInTurn(id) {
  lane = lane.then(() => run(id)).catch(reportError);
}

async function run(id) {
  if (!store.running(state.generations.get(id) || { status: "gone" })) return;
  const abort = new AbortController();
  aborts.set(id, abort);
  try {
    for await (const { name, data } of events(`/api/generations/${id}/stream`, abort.signal)) take(id, name, data);
    const generation = state.generations.get(id);
    if (store.running(generation)) {
      if (generation.stopping) store.changeGeneration(id, { status: "cancelled" });
      else store.changeGeneration(id, { status: "failed", problem: LOST });
    }
  } catch (problem) {
    if (problem.code === "already-run") {
      watch(id);
    } else if (problem instanceof Problem) {
      refuse(id, problem.code === "offline" ? new Problem(LOST) : problem);
    } else if (problem.name !== "AbortError") {
      refuse(id, new Problem(LOST));
      throw problem;
    }
  } finally {
    aborts.delete(id);
  }
}

function take(id, name, data) {
  const handlers = {
    queued: () => store.changeGeneration(id, { status: "queued", position: data.position }),
    started: () => store.changeGeneration(id, { status: "running", position: null, ...(data.slots ? { slots: data.slots.length } : {}) }),
    token: () => store.addToken(id, data.index, data.text),
    dropped: () => store.dropCandidate(id, data.index, data.again === false),
    version: () => landed(id, data),
    done: () => finished(id, data),
    error: () => {
      store.changeGeneration(id, { status: "failed", problem: data.problem, partial: data.partial || state.generations.get(id).partial });
      announce(data.problem?.detail || "The model stopped with an error.");
    },
    cancelled: () => {
      store.changeGeneration(id, { status: "cancelled", partial: data.partial || state.generations.get(id).partial });
      announce("Stopped. What had arrived is kept in the panel.");
    },
  };
  handlers[name]?.();
}

function landed(id, { index, version }) {
  store.landVersion(id, index, version);
  if (version.operation === "combine") store.select(version.id);
  const moved = has.scores ? `: ${moveWords(version, store.parentOf(version)) || "not measured"}` : "";
  announce(`Version ${version.number} landed${moved}.`);
}

function finished(id, { ranking, moved, message }) {
  store.changeGeneration(id, { status: "done", ranking, moved, message: message || "", partial: {} });
  announce(message || `${plural(ranking.length, "version")} ready, best first.`);
}

export async function stop(id) {
  const generation = state.generations.get(id);
  if (!generation || !store.running(generation)) return;
  store.changeGeneration(id, { stopping: true });
  if (generation.status === "asking") return;
  try {
    const answer = await post(`/api/generations/${id}/stop`, {}, { seconds: 10 });
    // The stream tells the rest, and may have told it before this answer came; one that never began ends here.
    const ended = !store.running(state.generations.get(id) ?? { status: "gone" });
    if (!ended && !aborts.has(id)) store.changeGeneration(id, { status: answer.status === "queued" ? "cancelled" : answer.status });
  } catch {
    // Leaving the stream cancels just as well.
    aborts.get(id)?.abort();
    store.changeGeneration(id, { status: "cancelled" });
  }
}

/** The one that is being written now, if any: what the Stop key stops. */
export const current = () => [...state.generations.values()].find(store.running) || null;

/** The same request again, one click, also after a reload. */
export async function retry(id) {
  const generation = state.generations.get(id);
  if (generation.request && id.startsWith("asking-")) {
    store.forgetGeneration(id);
    if (generation.request.combine) await combine(...generation.request.combine);
    else await press(generation.label, generation.request);
    return;
  }
  store.changeGeneration(id, { status: "asking", problem: null, partial: {}, versions: {}, stopping: false });
  try {
    enqueue(await post(`/api/generations/${id}/retry`), id);
    hide(id);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuse(id, problem);
  }
}

export function dismiss(id) {
  store.forgetGeneration(id);
  hide(id);
}

const hiddenKey = () => `hidden:${state.draft.id}`;

/** The server goes on sending the newest that came to nothing; here they are done with. */
async function hide(id) {
  const key = hiddenKey();
  const ids = (await disk.read("notes", key))?.ids ?? [];
  disk.put("notes", { key, ids: [...ids, id].slice(-MOST_HIDDEN) });
}

let watching = 0;
/** Another tab has its stream: ask now and then how it stands. */
function watch(id) {
  store.changeGeneration(id, { elsewhere: true });
  watching ||= setTimeout(look, WATCH_EVERY);
}

async function look() {
  watching = 0;
  const others = [...state.generations.values()].filter((it) => it.elsewhere && store.running(it));
  if (!others.length) return;
  try {
    const draft = await reload();
    for (const { id } of others) {
      const now = draft.generations.find((it) => it.id === id);
      if (now) store.changeGeneration(id, now);
      else store.forgetGeneration(id); // done: its versions have come with the draft
    }
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
  for (const { id } of others) if (store.running(state.generations.get(id) ?? {})) watch(id);
}

/** Go on with what the draft came with: run what nobody took up, look after what another tab writes. */
export async function start() {
  for (const id of (await disk.read("notes", hiddenKey()))?.ids ?? []) store.forgetGeneration(id);
  for (const { id, status } of [...state.generations.values()]) {
    if (status === "queued") runInTurn(id);
    else if (status === "running") watch(id);
  }
}
