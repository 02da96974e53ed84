// Single keys, when nothing is being typed; they can be switched off. And the page that lists them.
import { archive, confirm, discard, pick, place, placeAll, restore, unarchive } from "./actions.js";
import { fit, focusCanvas, zoom } from "./canvas.js";
import { openCombine } from "./combine.js";
import { openCompare } from "./compare.js";
import { byId, el, icon, isTyping } from "./dom.js";
import { focusParagraph } from "./editor.js";
import { current, press, stop } from "./generations.js";
import { numbered } from "./labels.js";
import * as goal from "./goal.js";
import * as muse from "./muse.js";
import { editByHand } from "./opened.js";
import { showPane } from "./panes.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import * as tour from "./tour.js";

const { state } = store;
const selected = () => store.versionOf(state.selected);

const KEYS = {
  p: () => state.paragraph && place([state.paragraph]),
  P: placeAll,
  f: fit,
  "+": () => zoom(0.8),
  "=": () => zoom(0.8),
  "-": () => zoom(1.25),
  g: focusCanvas,
  t: () => { showPane("draft"); focusParagraph(state.paragraph ?? state.order[0]); },
  c: () => { const it = selected(); if (it && it.status !== "discarded" && !(it.status === "confirmed" && store.isHead(it))) confirm(it.id); },
  d: () => { const it = selected(); if (it?.status === "discarded") restore(it.id); else if (it && !store.isHead(it)) discard(it.id); },
  a: () => { const it = selected(); if (it?.archived) unarchive(it.id); else if (it && !store.isHead(it)) archive(it.id); },
  e: () => { const it = selected(); if (it && it.status !== "discarded") editByHand(it.id); },
  v: () => { if (state.picked.length > 1) openCompare(state.picked); },
  j: () => { if (state.picked.length === 2) openCombine(...state.picked); },
  x: () => { const it = selected(); if (it) pick(it.id); },
  ".": () => { const it = current(); if (it) stop(it.id); },
  o: goal.toggle,
  m: muse.toggle,
  "?": () => toggleHelp(),
};

/** Keys of parts that the desk does not have. */
const LACKING = new Set([
  ...(has.canvas ? "" : "pPf+=-go"), ...(has.labels ? "" : "cdaevjx1234567890"), ...(has.muse ? "" : "m"),
]);

const HELP = [
  ["Canvas", [["P", "Place the selected paragraph"], ["⇧ P", "Place all paragraphs"], ["G", "Go to the canvas"], ["← ↑ ↓ →", "Move between versions"], ["Enter", "Open a version"], ["F", "Show everything"], ["O", "Draw a goal; Esc leaves"], ["+ −", "Zoom"]]],
  ["Versions", [["1 … 0", "Press a label"], [".", "Stop writing"], ["C", "Confirm"], ["D", "Discard or restore"], ["A", "Archive or bring back"], ["E", "Edit by hand"], ["X", "Pick, to compare or combine"], ["V", "Compare what is picked"], ["J", "Join the two that are picked"], ["M", "Muse: look back on the history"]]],
  ["Draft", [["Ctrl Z", "Undo, whatever it was"], ["Ctrl ⇧ Z", "Redo"], ["T", "Go to the text"], ["Enter", "New paragraph"], ["⇧ Enter", "New line"], ["⌫", "At the start: join with the one above"], ["Esc", "Leave the text"]]],
];

const PART_OF = { Canvas: has.canvas, Versions: has.labels };

let enabled = true;
try {
  enabled = localStorage.getItem("keys") !== "off";
} catch {
  // Without storage the keys are on.
}

function toggleHelp() {
  const dialog = byId("help-dialog");
  if (dialog.open) {
    dialog.close();
    return;
  }
  const box = el("input", {
    type: "checkbox", checked: enabled,
    onchange: () => {
      enabled = box.checked;
      try {
        localStorage.setItem("keys", enabled ? "on" : "off");
      } catch {
        // Lasts as long as the page.
      }
    },
  });
  dialog.replaceChildren(
    el("div", { class: "head-row" }, el("h2", { id: "help-heading" }, "From a draft to a better one"), el("button", { class: "quiet only-icon", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("cross"))),
    has.canvas ? el("p", {}, "Place a paragraph on the canvas: higher explains more, further right grips more. Press a label under the canvas; new versions land where they measure. Open one to see what changed, then confirm it into the draft, edit it, or discard it.") : "",
    el("div", { class: "help-grid" }, HELP.filter(([title]) => PART_OF[title] ?? true).map(([title, keys]) => el("section", {}, el("h3", {}, title),
      el("ul", {}, keys.map(([key, words]) => el("li", {}, el("span", { class: "keys" }, key.split(" ").map((one) => (one === "…" ? "…" : el("kbd", {}, one)))), el("span", {}, words))))))),
    el("div", { class: "row" }, el("label", { class: "row" }, box, "Single-key shortcuts"), el("span", { class: "spacer" }), has.canvas && tour.button()));
  dialog.showModal();
}

function keydown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (!enabled || document.body.inert || isTyping(event.target)) return;
  const digit = /^[0-9]$/.test(event.key) ? numbered()[(Number(event.key) + 9) % 10] : null;
  const act = digit ? () => press(digit.id) : KEYS[event.key];
  if (!act || LACKING.has(event.key)) return;
  event.preventDefault();
  act();
}

export function start() {
  const button = byId("help");
  button.append(icon("help"));
  button.addEventListener("click", toggleHelp);
  byId("help-dialog").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
  addEventListener("keydown", keydown);
}
