// The selected version: what changed, what was kept, and what to do with it.
import { archive, confirm, discard, fetchDetail, restore, saveByHand, unarchive } from "./actions.js";
import { byId, el, icon, redraw } from "./dom.js";
import { labelOf } from "./generations.js";
import { sentences } from "./combine.js";
import { compareWith } from "./compare.js";
import * as disk from "./disk.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { beginning, capital, flagWords, goalWords, KIND_WORDS, kindOf, moveWords, placeWords, plural } from "./words.js";

const { state } = store;
const root = () => byId("opened");
const FACTS = ["numbers", "units", "names", "citations", "hedges"];
const SEEN_AFTER = 120;
let fetching = 0;
let scrolled = null; // the version whose first change has been brought into view

function tag(version) {
  if (version.archived) return el("span", { class: "tag", data: { kind: "archived" } }, icon("box"), "archived");
  const kind = kindOf(version);
  const glyph = { confirmed: "check", combined: "combine", discarded: "cross", typed: "pencil" }[kind];
  return el("span", { class: "tag", data: { kind } }, glyph ? icon(glyph) : "", KIND_WORDS[kind]);
}

/** The server counts characters, a string here counts UTF-16 units. */
const unitsIn = (text, characters) => [...text].slice(0, characters).join("").length;

/** Additions are underlined and deletions struck through; screen readers hear ins and del. A sentence that nothing
    supports is dotted under and ends with the words for it. */
function marked(version, detail, showChanges) {
  const pieces = showChanges ? detail.diff[0].changes : [{ kind: "same", text: version.text }];
  const claims = (detail?.claims || []).map(({ start, end, reason }) => ({ start: unitsIn(version.text, start), end: unitsIn(version.text, end), reason }));
  const out = [];
  let at = 0;
  let open = null; // the claim we are in: {node, end}
  const put = (node) => (open ? open.node.append(node) : out.push(node));
  const close = () => {
    out.push(open.node, el("span", { class: "claim-word" }, "new claim"));
    open = null;
  };
  for (const { kind, text } of pieces) {
    if (kind === "removed") {
      put(el("del", {}, text));
      continue;
    }
    for (let rest = text; rest;) {
      const next = claims.find((claim) => claim.end > at);
      if (next && next.start <= at && !open) open = { node: el("mark", { class: "claim", title: next.reason }), end: next.end };
      const until = open ? open.end : next ? next.start : Infinity;
      const piece = rest.slice(0, until - at);
      put(kind === "added" ? el("ins", {}, piece) : piece);
      at += piece.length;
      rest = rest.slice(piece.length);
      if (open && at >= open.end) close();
    }
  }
  if (open) close();
  return out;
}

function claimList(detail) {
  const claims = detail?.claims || [];
  if (!claims.length) return null;
  return el("div", { class: "claims" }, el("p", {}, `${plural(claims.length, "sentence")} without support in the text before or in a source:`),
    el("ul", { "aria-label": "New claims" }, claims.map(({ text, reason }) => el("li", {}, el("q", { dir: "auto" }, beginning(text, 90)), ` ${reason}`))));
}

function factLine(words, facts = {}, kind = "") {
  const found = FACTS.flatMap((name) => facts[name] || []);
  // A quantity is told with its unit, not once more without.
  const withUnits = (facts.units || []).join(" ");
  const list = [...new Set(found)].filter((fact) => !facts.numbers?.includes(fact) || !withUnits.includes(fact));
  if (!list.length) return null;
  // What is kept reassures in a few words; what is lost or new is told in full.
  const most = kind ? 40 : 6;
  const rest = list.length > most ? ` and ${list.length - most} more` : "";
  return el("div", { class: kind, title: list.join(" · ") }, el("dt", {}, words), el("dd", { dir: "auto" }, list.slice(0, most).join(" · ") + rest));
}

function facts(detail) {
  const { kept, lost, added } = detail.facts || {};
  const lines = [factLine("Kept", kept), factLine("Lost", lost, "bad"), factLine("New", { ...added, hedges: [] }, "new")].filter(Boolean);
  return lines.length ? el("dl", { class: "facts", "aria-label": "Numbers, names and other facts" }, lines) : null;
}

/** Of a version made of two: each sentence with the one it is from. */
function origins(version, detail) {
  if (!detail?.origins?.length) return null;
  return el("details", { class: "origins", open: true, data: { key: "origins" } }, el("summary", {}, "Where each sentence is from"),
    el("div", { class: "sentences" }, sentences(detail.origins, ...store.parentsOf(version))));
}

function how(version, detail) {
  const made = [
    ["How", [labelOf(version.label)?.name, version.strategy].filter(Boolean).join(": ") || { import: "imported", manual: "typed" }[version.operation] || version.operation],
    ["Model", [version.model_id, version.tuned_id].filter(Boolean).join(" + ")],
    ["Seed", version.seed ?? ""],
    ["Stands", has.scores ? placeWords(version.placement) : ""],
    ["Scorer", has.scores ? version.placement?.scorer_id ?? "" : ""],
    ["Made", new Date(version.created_at).toLocaleString()],
  ].filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const messages = detail?.prompt?.messages || [];
  const prompt = [...messages.map(({ role, content }) => `${role}: ${content}`), detail?.prompt?.prefill ? `begins with: ${detail.prompt.prefill}` : ""].filter(Boolean);
  return el("details", { class: "how", data: { key: "how" } }, el("summary", {}, "How it was made"),
    el("dl", { class: "facts-table" }, made.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])),
    prompt.length ? el("div", { class: "prompt-text", tabindex: "0", role: "group", "aria-label": "The prompt" }, prompt.join("\n\n")) : null);
}

/** Out of the way and never lost; what is in the draft can't be. */
function putAway(version) {
  if (store.isHead(version)) return null;
  return version.archived
    ? el("button", { class: "button", type: "button", data: { key: "archive" }, title: "Back from the archive (A)", onclick: () => unarchive(version.id) }, "Bring back")
    : el("button", { class: "quiet", type: "button", data: { key: "archive" }, title: "Off the canvas, kept in the history (A)", onclick: () => archive(version.id) }, "Archive");
}

function actions(version) {
  if (version.status === "discarded") {
    return el("div", { class: "actions" }, el("button", { class: "button", type: "button", data: { key: "restore" }, onclick: () => restore(version.id) }, "Restore"));
  }
  const inDraft = store.isHead(version);
  const settled = version.status === "confirmed" && inDraft;
  return el("div", { class: "actions" },
    settled || !version.text.trim() ? null : el("button", { class: inDraft ? "button" : "button confirm", type: "button", data: { key: "confirm" }, title: "Confirm (C)", onclick: () => confirm(version.id) },
      icon("check"), version.status === "confirmed" ? "Put back into the draft" : "Confirm"),
    version.archived ? null : el("button", { class: "button", type: "button", data: { key: "edit" }, title: "Edit by hand (E)", onclick: () => editByHand(version.id) }, "Edit by hand"),
    inDraft || version.archived ? null : el("button", { class: "button", type: "button", data: { key: "discard" }, title: "Discard (D)", onclick: () => discard(version.id) }, "Discard"));
}

export async function editByHand(id) {
  const note = await disk.read("notes", `hand:${id}`);
  store.setUi({ editing: { id, text: note?.text ?? store.versionOf(id).text } });
  await null; // until it is drawn
  root().querySelector(".hand")?.focus();
}

function hand(version) {
  const area = el("textarea", {
    class: "hand", dir: "auto", "aria-label": `Version ${version.number}, edited by hand`, data: { key: "hand" }, value: state.ui.editing.text,
    oninput: () => {
      state.ui.editing.text = area.value;
      disk.put("notes", { key: `hand:${version.id}`, text: area.value });
    },
    onkeydown: (event) => {
      if (event.key === "Escape") stopEditing(version.id, { keep: true });
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep();
    },
  });
  const keep = async () => {
    if (!area.value.trim() || area.value === version.text) {
      stopEditing(version.id);
      return;
    }
    const made = await saveByHand(version.id, area.value);
    if (made) stopEditing(version.id);
  };
  return [area, el("div", { class: "actions" },
    el("button", { class: "button primary", type: "button", title: "Ctrl+Enter", onclick: keep }, "Save as a new version"),
    el("button", { class: "quiet", type: "button", onclick: () => stopEditing(version.id) }, "Cancel"))];
}

/** `keep`: what was typed comes back with the next *Edit by hand*. */
function stopEditing(id, { keep = false } = {}) {
  if (!keep) disk.erase("notes", `hand:${id}`);
  store.setUi({ editing: null });
  root().querySelector("[data-key=edit]")?.focus();
}

function body(version, detail) {
  if (detail?.problem) {
    return [el("div", { class: "opened-text", dir: "auto", tabindex: "0", role: "group", "aria-label": "Text" }, version.text),
      el("p", { class: "message" }, `The differences could not be fetched. ${detail.problem.message} `,
        el("button", { class: "button", type: "button", onclick: () => fetchDetail(version.id) }, "Try again"))];
  }
  const shown = marked(version, detail, state.ui.changes && Boolean(detail?.diff?.length));
  return [el("div", { class: "opened-text", dir: "auto", tabindex: "0", role: "group", "aria-label": "Text", data: { key: "text" } }, shown),
    detail?.diff?.length ? facts(detail) : null, claimList(detail)];
}

function draw() {
  const version = store.versionOf(state.selected);
  if (!version) {
    const words = state.paragraph ? "This paragraph has no version yet; it gets one when it is saved." : "Select a paragraph or a node. What you open shows here: what changed, and whether the facts were kept.";
    redraw(root(), el("p", { class: "panel-empty" }, words));
    return;
  }
  clearTimeout(fetching);
  if (!state.details.has(version.id)) fetching = setTimeout(() => fetchDetail(version.id), SEEN_AFTER);
  const detail = state.details.get(version.id);
  const editing = state.ui.editing?.id === version.id;
  const parent = store.parentOf(version);
  const flags = flagWords(version.flags);
  const moves = has.scores ? moveWords(version, parent) : "";
  const stands = has.scores ? `${capital(placeWords(version.placement))}.` : "";
  const goal = has.scores && goalWords(version.placement, store.activeGoal(), state.ui.numbers);
  redraw(root(),
    el("div", { class: "head-row" },
      el("h3", { tabindex: "-1", data: { key: "opened" } }, `Paragraph ${store.numberOf(version.paragraph_id)}, version ${version.number}`), tag(version)),
    el("div", { class: "move-row" }, el("p", { class: "dim" }, [moves ? `Against version ${parent.number}: ${moves}.` : stands, flags.length ? ` ${capital(flags.join(", "))}.` : "", store.isHead(version) ? " In the draft." : "", goal ? ` ${capital(goal)}.` : ""].join("")),
      !editing && parent && detail?.diff?.length ? el("button", { class: "quiet", type: "button", data: { key: "toggle" }, "aria-pressed": state.ui.changes, onclick: () => store.setUi({ changes: !state.ui.changes }) }, "Changes") : null),
    ...(editing ? hand(version) : [
      ...body(version, detail),
      origins(version, detail), actions(version), compareWith(version, putAway(version)), how(version, detail)]));
  const box = root().querySelector(".opened-text");
  const change = box?.querySelector("ins, del");
  if (change && scrolled !== version.id) {
    box.scrollTop = change.offsetTop - box.offsetTop - 48;
    scrolled = version.id;
  }
}

export function start() {
  store.on("selection versions details ui draft labels picked goals", (topics) => {
    // What the writer types here must not be drawn over.
    if (state.ui.editing && root().querySelector(".hand") && !topics.has("ui") && !topics.has("selection")) return;
    draw();
  });
  root().addEventListener("copy", () => record("copy", { chars: String(getSelection()).length }));
}
