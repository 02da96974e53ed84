// Two tabs, one paragraph: both texts side by side; the writer chooses, and neither is lost.
import { announce, byId, el } from "./dom.js";
import * as outbox from "./outbox.js";
import { record } from "./recorder.js";
import * as store from "./store.js";

const { state } = store;
const PAUSE = 1200;

function side(title, text, choose, words, primary) {
  return el("section", {}, el("h3", {}, title),
    el("div", { class: "conflict-text", dir: "auto", tabindex: "0", role: "group", "aria-label": title }, text || "(removed)"),
    el("div", { class: "row" },
      el("button", { class: primary ? "button primary" : "button", type: "button", onclick: choose }, words),
      el("button", { class: "quiet", type: "button", onclick: () => copy(text) }, "Copy")));
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP has no clipboard API; the old way still works there.
    const area = el("textarea", { class: "unseen", value: text });
    byId("conflict").append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  record("copy", { chars: text.length });
  announce("Copied.");
}

function draw() {
  const dialog = byId("conflict");
  const [conflict] = state.conflicts;
  if (!conflict) {
    if (dialog.open) dialog.close();
    return;
  }
  const { paragraph_id: id, theirs, removed } = conflict;
  const number = store.numberOf(id);
  dialog.replaceChildren(
    el("h2", { id: "conflict-heading", tabindex: "-1", autofocus: true }, number ? `Paragraph ${number} was changed in two places` : "A paragraph was changed in two places"),
    el("p", {}, "Another tab or window saved it while you were typing here. Choose the text for the draft. The other one is not lost: theirs stays in the history, yours can be copied."),
    el("div", { class: "conflict-pair" },
      side("Your text", outbox.heldText(id), () => outbox.resolve(id, true), "Keep mine", true),
      side("The other text", removed ? "" : theirs.text, () => outbox.resolve(id, false), "Keep theirs", false)));
  if (!dialog.open) dialog.showModal();
}

let typedAt = 0;
let timer = 0;

/** A window that opens under typing hands would take the next keys for an answer: wait for a pause. */
function drawInPause() {
  clearTimeout(timer);
  const rest = typedAt + PAUSE - Date.now();
  if (rest > 0 && state.conflicts.length && !byId("conflict").open) timer = setTimeout(drawInPause, rest);
  else draw();
}

export function start() {
  addEventListener("input", () => { typedAt = Date.now(); }, true);
  store.on("conflicts", drawInPause);
  // Closing without a choice would leave a paragraph that silently no longer saves.
  byId("conflict").addEventListener("cancel", (event) => event.preventDefault());
}
