// The baseline's versions: a plain list of the selected paragraph's, the newest first.
import { confirm } from "./actions.js";
import { byId, el, redraw } from "./dom.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { ago } from "./words.js";

const { state } = store;
const MADE = { import: "as it was at first", manual: "typed by you", prompt: "from the chat" };
const opened = new Set();

function listed() {
  return [...state.versions.values()]
    .filter((it) => it.paragraph_id === state.paragraph && !it.folded && !it.archived && it.text.trim() && it.status !== "discarded")
    .sort((a, b) => b.number - a.number);
}

function entry(version) {
  const here = store.isHead(version);
  const text = el("p", { class: "plain-text", dir: "auto" }, version.text);
  return el("li", { class: "plain-version", data: { here } },
    el("p", { class: "plain-head" }, el("b", {}, `Version ${version.number}`), el("span", { class: "dim" }, ` ${MADE[version.operation] ?? ""} · ${ago(version.created_at)}`)),
    el("details", { data: { key: version.id }, open: opened.has(version.id), ontoggle: (event) => {
      if (!event.target.open || opened.has(version.id)) return;
      opened.add(version.id);
      record("node.opened", { version_id: version.id });
    } }, el("summary", { dir: "auto" }, version.text), text),
    here ? el("span", { class: "dim" }, "In the draft now")
      : el("button", { class: "button", type: "button", data: { key: `use-${version.id}` }, onclick: () => confirm(version.id) }, "Use this version"));
}

function draw() {
  const number = state.paragraph ? store.numberOf(state.paragraph) : 0;
  byId("version-heading").textContent = number ? `Versions of paragraph ${number}` : "Versions";
  const versions = number ? listed() : [];
  redraw(byId("plain"), versions.length
    ? el("ol", { class: "plain-list" }, versions.map(entry))
    : el("p", { class: "panel-empty" }, number ? "This paragraph has no version yet; it gets one when it is saved." : "Click into a paragraph to see its versions."));
}

export const start = () => store.on("selection versions draft", draw);
