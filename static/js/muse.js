// Muse: what happened so far, and one to three cards about it. Only when asked.
import { open } from "./actions.js";
import { post, Problem } from "./api.js";
import { openCompare } from "./compare.js";
import { announce, byId, el, icon, redraw } from "./dom.js";
import { labelOf, press, whyNot } from "./generations.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import { showPane } from "./panes.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { events } from "./stream.js";
import { beginning, plural } from "./words.js";

const { state } = store;
const root = () => byId("muse");
const QUOTED = 2;
const LOST = "The connection to the server was lost while Muse was thinking. What had arrived is kept here.";
let abort = null;

// ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The answer that is on its way: Muse looks again only once it is kept, lest the card come again. */
let answering = Promise.resolve();

async function think() {
  abort?.abort();
  const mine = abort = new AbortController();
  store.setMuse({ open: true, state: "thinking", digest: [], cards: [], about: "", position: null, reason: "", problem: null });
  record("muse.opened");
  showPane("version");
  announce("Muse looks back on your history.");
  try {
    await outbox.settled();
    await answering;
    for await (const { name, data } of events(`/api/drafts/${state.draft.id}/muse/stream`, mine.signal)) {
      if (mine.signal.aborted) return;
      take(name, data);
    }
    if (state.muse.state === "thinking" && !mine.signal.aborted) fail(LOST);
  } catch (problem) {
    if (problem instanceof Problem) fail(problem.sentence);
    else if (problem.name !== "AbortError") throw problem;
  }
}

function fail(words) {
  store.setMuse({ state: "error", problem: words, about: "", position: null });
  announce(words);
}

function take(name, data) {
  const handlers = {
    digest: () => {
      store.setMuse({ digest: data.items });
      bringIntoView();
    },
    queued: () => store.setMuse({ position: data.position }),
    thinking: () => store.setMuse({ about: data.text, position: null }),
    card: () => {
      store.setMuse({ cards: [...state.muse.cards, data.card], about: "" });
      if (state.muse.cards.length === 1) bringIntoView();
      announce(`Muse asks: ${data.card.question}`);
    },
    done: () => {
      store.setMuse({ state: "done", about: "", position: null, reason: data.reason });
      announce(data.reason || `Muse has ${plural(state.muse.cards.length, "card")}.`);
    },
    error: () => fail([data.problem.detail, data.problem.mend].filter(Boolean).join(" ")),
  };
  handlers[name]?.();
}

/** Leaving the stream stops the model and frees its place. */
function stop() {
  abort?.abort();
  store.setMuse({ state: "stopped", about: "", position: null });
  announce("Muse stopped. What had arrived is kept.");
}

function close() {
  abort?.abort();
  store.setMuse({ open: false, state: "idle", about: "" });
  byId("muse-button").focus();
}

/** Open Muse, or close it. */
export function toggle() {
  if (document.body.dataset.muse === "off" || !state.draft) return;
  if (state.muse.open) {
    close();
    return;
  }
  think();
  // After the store has told: the section is not drawn before.
  queueMicrotask(() => root().querySelector("h3")?.focus({ preventScroll: true }));
  bringIntoView();
}

/** There is room to scroll to only once something stands there; a writer who has gone elsewhere meanwhile stays there. */
function bringIntoView() {
  queueMicrotask(() => { if (root().contains(document.activeElement)) root().scrollIntoView({ block: "start" }); });
}

// ── Answering ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function answer(card, given) {
  const before = state.muse.cards;
  store.setMuse({ cards: before.filter((it) => it.id !== card.id) });
  root().querySelector("h3")?.focus({ preventScroll: true });
  if (given === "applied") act(card.action);
  else announce(given === "never" ? "You will not see this card again." : "Put aside until something about it changes.");
  try {
    const kept = post(`/api/muse/cards/${card.id}/${given}`);
    answering = kept.catch(() => {});
    await kept;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    store.setMuse({ cards: before });
    notice(`Your answer to Muse was not kept. ${problem.sentence}`, { bad: true });
  }
}

function act(action) {
  if (action?.kind === "label") {
    store.select(action.version_id);
    const why = whyNot();
    if (why) notice(why);
    else press(action.label);
  } else if (action?.kind === "compare") {
    openCompare(action.versions);
  } else if (action) {
    open(action.version_id);
  }
}

function actWords(action) {
  if (action.kind === "label") return labelOf(action.label)?.name ?? "the label";
  return action.kind === "compare" ? "Compare them" : "Open it";
}

// ── Drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────

function cite(id, key) {
  const version = store.versionOf(id);
  if (!version) return null;
  const number = store.numberOf(version.paragraph_id);
  return el("button", {
    class: "cite", type: "button", data: { key: `${key}-${id}`, cite: id }, "aria-current": id === state.selected ? "true" : null,
    "aria-label": `Select version ${version.number} of paragraph ${number}`, title: beginning(version.text, 120), onclick: () => open(id),
  }, `v${version.number}`);
}

function line(item) {
  return el("li", {}, el("span", { dir: "auto" }, item.text), " ", el("span", { class: "cites" }, item.cites.map((id) => cite(id, item.topic))));
}

function quote(id, card) {
  const version = store.versionOf(id);
  if (!version) return null;
  return el("button", {
    class: "quote", type: "button", dir: "auto", data: { key: `${card.id}-${id}` }, "aria-current": id === state.selected ? "true" : null,
    "aria-label": `Select version ${version.number} of paragraph ${store.numberOf(version.paragraph_id)}: ${beginning(version.text, 80)}`, onclick: () => open(id),
  }, el("b", {}, `v${version.number}`), ` ${beginning(version.text, 90)}`);
}

function drawCard(card) {
  const rest = card.cites.slice(QUOTED);
  return el("article", { class: "muse-card", "aria-label": "A card from Muse", data: { topic: card.topic } },
    el("p", { class: "seen", dir: "auto" }, card.observation),
    card.cites.slice(0, QUOTED).map((id) => quote(id, card)),
    rest.length ? el("p", { class: "cites" }, "and ", rest.map((id) => cite(id, card.id))) : null,
    el("p", { class: "question", dir: "auto" }, card.question),
    el("div", { class: "row" },
      card.action ? el("button", { class: "button", type: "button", data: { key: `apply-${card.id}` }, title: actWords(card.action), onclick: () => answer(card, "applied") }, `Apply: ${actWords(card.action)}`) : null,
      el("button", { class: "quiet", type: "button", data: { key: `later-${card.id}` }, title: "Comes again when something about it has changed", onclick: () => answer(card, "not-now") }, "Not now"),
      el("button", { class: "quiet", type: "button", data: { key: `never-${card.id}` }, title: "This card will not come again", onclick: () => answer(card, "never") }, "Never")));
}

function waiting({ position, about }) {
  const words = position ? `Waiting for the model: place ${position} in the queue.` : about ? "Thinking of a question about this:" : "Asking the model…";
  return el("div", { class: "muse-card live" },
    el("p", { class: "dim" }, words), about && !position ? el("p", { class: "seen", dir: "auto" }, about) : null,
    el("div", { class: "row" }, el("button", { class: "button", type: "button", data: { key: "muse-stop" }, onclick: stop }, icon("stop"), "Stop")));
}

function ending({ state: now, cards, digest, reason, problem }) {
  const again = el("button", { class: "button", type: "button", data: { key: "again" }, onclick: think }, "Look again");
  if (now === "error") return el("div", { class: "message bad" }, el("p", {}, problem), el("div", { class: "row" }, again));
  if (now === "stopped") return el("div", { class: "message" }, el("p", {}, "Stopped. What had arrived is kept."), el("div", { class: "row" }, again));
  if (now === "done" && reason && digest.length) return el("p", { class: "dim" }, reason);
  return now === "done" && !cards.length && digest.length ? el("p", { class: "dim" }, "No card is open.") : null;
}

function draw() {
  const { muse } = state;
  const button = byId("muse-button");
  button.setAttribute("aria-expanded", muse.open);
  root().hidden = !muse.open;
  if (!muse.open) {
    root().replaceChildren();
    return;
  }
  const empty = muse.state === "done" && !muse.digest.length;
  redraw(root(),
    el("div", { class: "head-row" }, el("h3", { tabindex: "-1", data: { key: "muse" } }, "Muse"),
      muse.state === "thinking" ? null : el("button", { class: "quiet", type: "button", data: { key: "muse-again" }, onclick: think }, "Look again"),
      el("button", { class: "quiet only-icon", type: "button", data: { key: "muse-close" }, "aria-label": "Close Muse", title: "Close (M)", onclick: close }, icon("cross"))),
    empty ? el("p", { class: "panel-empty" }, "There is nothing to look back on yet. Place your paragraphs and press a label or two; Muse then tells what you tried, what you left alone and what went missing.") : null,
    muse.digest.length ? el("ul", { class: "digest", "aria-label": "What your history says" }, muse.digest.map(line)) : null,
    muse.cards.map(drawCard),
    muse.state === "thinking" ? waiting(muse) : ending(muse));
}

/** Another version was selected: nothing moves. */
function mark() {
  for (const button of root().querySelectorAll("[data-cite], .quote")) {
    const id = button.dataset.cite ?? button.dataset.key.slice(-36);
    if (id === state.selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

export function start() {
  if (document.body.dataset.muse === "off") return;
  const button = byId("muse-button");
  button.append(icon("muse"), el("span", { class: "button-words" }, "Muse"));
  Object.assign(button, { hidden: false, title: "Look back on your history (M)" });
  button.setAttribute("aria-label", "Muse");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", toggle);
  store.on("muse labels", draw);
  store.on("selection", mark);
}
