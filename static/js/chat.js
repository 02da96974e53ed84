// The baseline of a study: a linear chat about the draft. Its turns are generations with the writer's own prompt; what
// came of one changes the draft only when the writer inserts it or replaces the paragraph with it.
import { attempt, confirm } from "./actions.js";
import { get, post } from "./api.js";
import { announce, byId, el, icon } from "./dom.js";
import { press, stop, whyNot } from "./generations.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { capital, flagWords, ledgerFlags } from "./words.js";

const { state } = store;
const OWN = "own-prompt";
/** Pixels from the end of the log within which it follows what comes. */
const NEAR_END = 80;
let log = null;
let field = null;
let about = null;
let why = null;
let send = null;
const drawn = new Map(); // turn's id → {node, words, key}

// ── Turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What was said before this page, and what has been said since, oldest first. */
function turns() {
  const known = new Map(state.turns.map((turn) => [turn.id, turn]));
  for (const generation of state.generations.values()) if (generation.prompt) known.set(generation.id, { ...known.get(generation.id), ...generation });
  return [...known.values()];
}

const answerOf = (turn) => Object.values(turn.versions ?? {}).map(store.versionOf).find(Boolean) ?? null;

/** The words that the answer adds to the paragraph it was asked about; null when it is a new text of the paragraph. */
function added(version) {
  const old = store.parentOf(version)?.text ?? "";
  const { text } = version;
  for (let at = 0; at <= old.length; at += 1) {
    if (!text.startsWith(old.slice(0, at))) break;
    const rest = old.slice(at);
    if (text.length > old.length && text.endsWith(rest) && (at === 0 || at === old.length || /\s/.test(old[at]))) {
      const fresh = text.slice(at, text.length - rest.length).trim();
      if (fresh) return fresh;
    }
  }
  return null;
}

const wordsOf = (version) => added(version) ?? version.text;

// ── Into the draft ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A new version with this text, made from an answer, becomes the paragraph. */
const use = (version, text) => attempt(async () => {
  await outbox.settled();
  if (store.versionOf(version.id).text === text) {
    await confirm(version.id);
    return;
  }
  const made = await post(`/api/versions/${version.id}/edits`, { text });
  store.keepVersions([made]);
  await confirm(made.id);
});

/** Into the text as it is now: where the answer would have it, or at the end when that place is gone. */
function insert(version) {
  const now = store.paragraphOf(version.paragraph_id).text;
  const words = wordsOf(version);
  if (added(version) && now === store.parentOf(version)?.text) return use(version, version.text);
  const before = version.text.slice(0, version.text.indexOf(words)).trimEnd();
  const anchor = before.slice(-60);
  const at = added(version) && anchor && now.includes(anchor) ? now.indexOf(anchor) + anchor.length : now.trimEnd().length;
  const first = added(version) && !before;
  return use(version, first ? `${words} ${now}` : `${now.slice(0, at)} ${words}${now.slice(at)}`.trim());
}

const replace = (version) => use(version, wordsOf(version));

async function copy(version) {
  const text = wordsOf(version);
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    notice("This browser does not let the page copy. Select the words and press Ctrl+C.");
    return;
  }
  record("copy", { chars: text.length, version_id: version.id });
  announce("Copied.");
}

// ── Drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────

const { numberOf } = store;
const paragraphWords = (id) => (numberOf(id) ? `paragraph ${numberOf(id)}` : "a paragraph that is gone");
const button = (words, act, key, kind = "button") => el("button", { class: kind, type: "button", data: { key }, onclick: act }, words);

function again(turn) {
  const gone = !numberOf(turn.paragraph_id);
  return button("Ask again", () => ask(turn.prompt, turn.paragraph_id), "again", gone ? "quiet hidden" : "quiet");
}

function answerParts(turn) {
  const version = answerOf(turn);
  if (version) {
    const flags = flagWords(ledgerFlags(version.flags));
    const inDraft = state.versions.size && [version, ...[...state.versions.values()].filter((it) => it.parents.includes(version.id))].some(store.isHead);
    const gone = !numberOf(version.paragraph_id);
    const isNew = !added(version);
    const into = button(`Insert into ${paragraphWords(version.paragraph_id)}`, () => insert(version), "insert", isNew ? "button" : "button primary");
    const instead = button(`Replace ${paragraphWords(version.paragraph_id)}`, () => replace(version), "replace", isNew ? "button primary" : "button");
    return [
      el("p", { class: "chat-words", dir: "auto" }, wordsOf(version)),
      flags.length ? el("p", { class: "chat-flag" }, `${capital(flags.join(", "))}: check it against the source.`) : null,
      el("div", { class: "row" },
        ...(inDraft ? [el("span", { class: "chat-in" }, icon("check"), "In the draft")] : gone ? [] : isNew ? [instead, into] : [into, instead]),
        button("Copy", () => copy(version), "copy", "quiet"), again(turn)),
    ];
  }
  if (store.running(turn)) {
    const waiting = turn.position > 0 ? `${turn.position} ahead of you…` : turn.stopping ? "Stopping…" : "Thinking…";
    return [
      el("p", { class: "chat-words", dir: "auto" }, turn.partial?.[0] || el("span", { class: "dim" }, waiting)),
      el("div", { class: "row" }, el("button", { class: "button", type: "button", data: { key: "stop" }, title: "Stop (Esc)", onclick: () => stop(turn.id) }, icon("stop"), "Stop")),
    ];
  }
  const failed = turn.status === "failed";
  const problem = turn.problem ?? {};
  const said = failed ? [problem.detail ?? "The model stopped before it was done.", problem.mend ?? ""].join(" ").trim() : "Stopped.";
  const kept = Object.values(turn.partial ?? {}).find((text) => text.trim());
  return [
    kept ? el("p", { class: "chat-words unfinished", dir: "auto" }, kept) : null,
    el("p", { class: failed ? "message bad" : "dim", role: failed ? "alert" : null }, said),
    el("div", { class: "row" }, again(turn)),
  ];
}

/** All that an answer is drawn from but its words, which stream into their own node. */
function keyOf(turn) {
  const version = answerOf(turn);
  const heads = version ? [store.paragraphOf(version.paragraph_id)?.head, numberOf(version.paragraph_id)] : [];
  return JSON.stringify([turn.id, turn.status, turn.position, turn.stopping, version?.id, heads, turn.problem?.code, Boolean(turn.partial?.[0])]);
}

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;

function draw() {
  if (!log) return;
  const all = turns();
  const pinned = isAtEnd();
  const ids = new Set(all.map((turn) => turn.id));
  for (const [id, { node }] of drawn) {
    if (ids.has(id)) continue;
    node.remove();
    drawn.delete(id);
  }
  all.forEach((turn, i) => {
    const key = keyOf(turn);
    const parts = drawn.get(turn.id) ?? { node: el("li", { class: "chat-turn" }), key: null };
    drawn.set(turn.id, parts);
    if (parts.key !== key) {
      const held = parts.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      parts.node.replaceChildren(
        el("div", { class: "chat-asked" }, el("p", { class: "chat-about" }, `You, about ${paragraphWords(turn.paragraph_id)}`), el("p", { dir: "auto" }, turn.prompt)),
        el("div", { class: "chat-answer" }, el("p", { class: "unseen" }, "The model"), answerParts(turn).filter(Boolean)));
      parts.key = key;
      parts.words = parts.node.querySelector(".chat-answer .chat-words");
      if (held) (parts.node.querySelector(`[data-key="${held}"]`) ?? parts.node.querySelector("button"))?.focus({ preventScroll: true });
    }
    if (log.children[i] !== parts.node) log.insertBefore(parts.node, log.children[i] ?? null);
  });
  byId("chat-empty").hidden = all.length > 0;
  if (pinned) log.scrollTop = log.scrollHeight;
}

/** A word touches nothing but its own turn. */
function drawWords() {
  const pinned = isAtEnd();
  for (const generation of state.generations.values()) {
    const parts = drawn.get(generation.id);
    const text = generation.partial?.[0];
    if (!parts || !text || !store.running(generation)) continue;
    if (parts.key !== keyOf(generation)) draw();
    else if (parts.words) parts.words.textContent = text;
  }
  if (pinned) log.scrollTop = log.scrollHeight;
}

function refresh() {
  if (!about) return;
  const ids = state.order.filter((id) => store.paragraphOf(id).text.trim());
  const known = [...about.options].map((option) => option.value);
  const words = ids.map((id) => `Paragraph ${numberOf(id)}`);
  if (known.join() !== ids.join() || [...about.options].some((option, i) => option.text !== words[i])) {
    about.replaceChildren(...ids.map((id, i) => el("option", { value: id }, words[i])));
  }
  if (state.paragraph && ids.includes(state.paragraph)) about.value = state.paragraph;
  const reason = ids.length ? whyNot(about.value) : "Write a paragraph first; then ask about it.";
  if (why.textContent !== reason) why.textContent = reason;
  send.disabled = Boolean(reason) || !field.value.trim();
}

// ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function ask(prompt, paragraph) {
  log.scrollTop = log.scrollHeight;
  press(OWN, { prompt, n: 1, on: { paragraph, version: null } });
}

function submit(event) {
  event?.preventDefault();
  const prompt = field.value.trim();
  if (!prompt || send.disabled) {
    field.focus();
    return;
  }
  ask(prompt, about.value);
  field.value = "";
  refresh();
}

function build() {
  log = el("ol", { class: "chat-log", role: "log", "aria-label": "What was said", tabindex: "0" });
  field = el("textarea", {
    rows: 2, dir: "auto", maxlength: "2000", "aria-label": "Message", "aria-describedby": "chat-why", placeholder: "What should change?",
    oninput: refresh,
    onkeydown: (keyed) => {
      if (keyed.isComposing) return;
      if (keyed.key === "Enter" && !keyed.shiftKey) submit(keyed);
      const open = [...state.generations.values()].find(store.running);
      if (keyed.key === "Escape" && open) stop(open.id);
    },
    onpaste: (pasted) => record("paste", { chars: pasted.clipboardData.getData("text/plain").length }),
  });
  about = el("select", { "aria-label": "About which paragraph", onchange: () => { store.selectParagraph(about.value); refresh(); } });
  why = el("p", { class: "chat-why", id: "chat-why" });
  send = el("button", { class: "button primary", type: "submit" }, "Send");
  byId("chat").append(
    el("div", { class: "chat-scroll" },
      el("div", { id: "chat-empty", class: "chat-empty" },
        el("p", {}, "Ask the model about a paragraph, in your own words."),
        el("ul", {}, ["Add an everyday comparison.", "Explain the hardest word in plain English.", "Begin with something that makes the reader curious."].map((example) =>
          el("li", {}, el("button", { class: "quiet", type: "button", onclick: () => { field.value = example; field.focus(); refresh(); } }, `“${example}”`))))),
      log),
    el("form", { class: "chat-form", onsubmit: submit }, why, field, el("div", { class: "row" }, about, el("span", { class: "spacer" }), send)));
  log.addEventListener("copy", () => record("copy", { chars: String(getSelection()).length }));
}

export async function load() {
  const { turns: said } = await get(`/api/drafts/${state.draft.id}/turns`);
  store.setTurns(said);
  if (!state.paragraph && state.order.length) store.selectParagraph(state.order[0]);
  requestAnimationFrame(() => { log.scrollTop = log.scrollHeight; });
}

export function start() {
  build();
  store.on("turns generations versions draft", draw);
  store.on("tokens", drawWords);
  store.on("selection model draft text", refresh);
}
