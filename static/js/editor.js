// The draft as paragraphs of plain text. Browsers keep textareas right for IME, emoji, right-to-left and undo.
import { placeAll, place, scoreSoon } from "./actions.js";
import { byId, el, icon, isTyping } from "./dom.js";
import { readFiles } from "./files.js";
import * as outbox from "./outbox.js";
import { record } from "./recorder.js";
import * as store from "./store.js";
import { countWords, edit, join, paragraphsIn, pieces } from "./textwork.js";
import { KIND_WORDS, kindOf, plural } from "./words.js";

const { state } = store;
export const DRAGGED = "application/x-spatial-paragraphs";
const growsByItself = CSS.supports("field-sizing", "content");
const rows = new Map(); // paragraph id → {row, grip, area, placeButton, preview}

function grow(area) {
  if (growsByItself) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

/** Every change of text goes through here: the store, the outbox and the log learn of it together. */
function write(id, text) {
  const paragraph = store.paragraphOf(id);
  const clean = text.replaceAll("\0", "");
  if (paragraph.text === clean) return;
  for (const piece of pieces(edit(paragraph.text.toWellFormed(), clean.toWellFormed()))) record("text.edit", { paragraph_id: id, ...piece });
  store.setText(id, clean);
  outbox.keep(id, clean, paragraph.head);
  if (paragraph.on_canvas) scoreSoon();
}

function focusAt(id, caret) {
  const { area } = rows.get(id);
  area.focus();
  area.setSelectionRange(caret, caret);
}

/** Put the caret into a paragraph that the store has just been told of. */
export function caretTo(id, caret) {
  draw();
  focusAt(id, Math.min(caret, store.paragraphOf(id).text.length));
}

/** Put paragraphs after one; the last has the caret at `caret` from its end. */
function insertAfter(id, texts, caretFromEnd = null) {
  const ids = store.insertParagraphs(id, texts.map(() => ""));
  draw();
  ids.forEach((newId, i) => write(newId, texts[i]));
  draw();
  const last = ids.at(-1);
  focusAt(last, caretFromEnd === null ? 0 : texts.at(-1).length - caretFromEnd);
}

function split(id, area) {
  const { value, selectionStart, selectionEnd } = area;
  if (!value.slice(0, selectionStart).trim() && value.slice(selectionEnd).trim()) {
    // The text stays the paragraph that it was, with its versions; the new one before it is the empty one.
    store.insertParagraphs(state.order[state.order.indexOf(id) - 1], [""]);
    write(id, value.slice(selectionEnd));
    draw();
    focusAt(id, 0);
    return;
  }
  write(id, value.slice(0, selectionStart));
  insertAfter(id, [value.slice(selectionEnd)]);
}

function mergeInto(id, nextId) {
  const { text, caret } = join(store.paragraphOf(id).text, store.paragraphOf(nextId).text);
  write(nextId, "");
  store.dropParagraph(nextId);
  write(id, text);
  draw();
  focusAt(id, caret);
}

function keydown(event, id, area) {
  if (event.isComposing) return;
  const at = state.order.indexOf(id);
  const caret = area.selectionStart === area.selectionEnd ? area.selectionStart : null;
  const go = (act) => { event.preventDefault(); act(); };
  if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey) go(() => split(id, area));
  else if (event.key === "Backspace" && caret === 0 && at > 0) go(() => mergeInto(state.order[at - 1], id));
  else if (event.key === "Delete" && caret === area.value.length && at < state.order.length - 1) go(() => mergeInto(id, state.order[at + 1]));
  else if (event.key === "ArrowUp" && caret === 0 && at > 0) go(() => focusAt(state.order[at - 1], store.paragraphOf(state.order[at - 1]).text.length));
  else if (event.key === "ArrowDown" && caret === area.value.length && at < state.order.length - 1) go(() => focusAt(state.order[at + 1], 0));
  else if (event.key === "Escape") go(() => rows.get(id).grip.focus());
}

function input(id, area) {
  const parts = /\n[^\S\n]*\n/.test(area.value) ? paragraphsIn(area.value) : [];
  if (parts.length > 1) {
    const fromEnd = area.value.length - area.selectionEnd;
    write(id, parts[0]);
    insertAfter(id, parts.slice(1), Math.min(fromEnd, parts.at(-1).length));
  } else {
    write(id, area.value);
  }
  grow(area);
}

function paste(event, id, area) {
  const files = event.clipboardData.files;
  if (files.length && !event.clipboardData.getData("text/plain")) {
    event.preventDefault();
    readFiles(files);
    return;
  }
  const text = event.clipboardData.getData("text/plain");
  record("paste", { chars: text.length });
  const parts = paragraphsIn(text);
  if (parts.length < 2) return;
  event.preventDefault();
  const before = area.value.slice(0, area.selectionStart);
  const after = area.value.slice(area.selectionEnd);
  write(id, before + parts[0]);
  insertAfter(id, [...parts.slice(1, -1), parts.at(-1) + after], after.length);
}

/** An emptied paragraph leaves when the caret does, so that retyping it is not interrupted. */
function left(id) {
  const paragraph = store.paragraphOf(id);
  if (state.order.length > 1 && paragraph && !paragraph.text.trim() && state.order.includes(id)) {
    if (paragraph.text) write(id, "");
    store.dropParagraph(id);
  }
}

function build(id) {
  const area = el("textarea", {
    rows: 1, dir: "auto", spellcheck: "true", autocomplete: "off",
    oninput: () => input(id, area),
    onkeydown: (event) => keydown(event, id, area),
    onpaste: (event) => paste(event, id, area),
    oncopy: () => record("copy", { chars: area.selectionEnd - area.selectionStart }),
    onfocus: () => store.selectParagraph(id),
    onblur: () => left(id),
  });
  const grip = el("button", {
    class: "grip", type: "button", draggable: "true",
    onclick: () => store.selectParagraph(id),
    ondragstart: (event) => {
      event.dataTransfer.setData(DRAGGED, JSON.stringify([id]));
      event.dataTransfer.setData("text/plain", store.paragraphOf(id).text);
      event.dataTransfer.effectAllowed = "copy";
      store.selectParagraph(id);
    },
  });
  const placeButton = el("button", { class: "place", type: "button", onclick: () => place([id], { remove: store.paragraphOf(id).on_canvas }) });
  const cell = el("div", { class: "text-cell" }, area);
  const row = el("div", {
    class: "paragraph", data: { id },
    onpointerenter: () => store.hoverParagraph(id),
    onpointerleave: () => store.hoverParagraph(null),
  }, el("div", { class: "margin" }, grip, placeButton), cell);
  const parts = { row, grip, area, placeButton, cell, preview: null };
  rows.set(id, parts);
  return parts;
}

function dress(id, { row, grip, area, placeButton }) {
  const paragraph = store.paragraphOf(id);
  const number = store.numberOf(id);
  const head = store.headOf(id);
  const kind = head ? kindOf(head) : "typed";
  const confirmed = kind === "confirmed";
  const selected = state.paragraph === id;
  if (area.value !== paragraph.text) {
    area.value = paragraph.text;
    grow(area);
  }
  Object.assign(row.dataset, {
    placed: paragraph.on_canvas, confirmed, selected,
    lit: !selected && (store.versionOf(state.hovered)?.paragraph_id === id),
  });
  grip.replaceChildren(String(number), ...(confirmed ? [icon("check")] : []));
  grip.setAttribute("aria-label", `Paragraph ${number}${confirmed ? ", confirmed" : ""}${paragraph.on_canvas ? ", on the canvas" : ""}. Select, or drag to the canvas.`);
  grip.title = paragraph.on_canvas ? `Paragraph ${number}, ${KIND_WORDS[kind]}` : "Drag to the canvas";
  area.setAttribute("aria-label", `Paragraph ${number}`);
  area.placeholder = state.order.length === 1 ? "Write here, paste a draft, or drop a .md, .txt or .docx file." : "";
  placeButton.replaceChildren(paragraph.on_canvas ? icon("cross") : "Place");
  placeButton.title = paragraph.on_canvas ? "Take off the canvas" : "Place on the canvas (P)";
  placeButton.setAttribute("aria-label", paragraph.on_canvas ? `Take paragraph ${number} off the canvas` : `Place paragraph ${number} on the canvas`);
  placeButton.hidden = !paragraph.text.trim();
}

function draw() {
  if (!state.draft) return;
  if (!state.order.length) store.insertParagraphs(null, [""]);
  const list = byId("paragraphs");
  for (const [id, { row }] of rows) {
    if (state.order.includes(id)) continue;
    rows.delete(id);
    row.remove();
  }
  state.order.forEach((id, i) => {
    const parts = rows.get(id) || build(id);
    if (list.children[i] !== parts.row) list.insertBefore(parts.row, list.children[i] || null);
    dress(id, parts);
  });
  const words = state.order.reduce((sum, id) => sum + countWords(store.paragraphOf(id).text), 0);
  byId("draft-heading").textContent = `Draft · ${plural(words, "word")}`;
  const all = byId("place-all");
  all.hidden = store.isEmptyDraft() || state.order.every((id) => store.paragraphOf(id).on_canvas || !store.paragraphOf(id).text.trim());
}

/** A hovered version lies over its paragraph, and over those below, so that nothing moves. */
function preview() {
  const version = store.versionOf(state.hovered);
  for (const [id, parts] of rows) {
    const wanted = version?.paragraph_id === id && version.text !== store.paragraphOf(id).text ? version : null;
    if (!wanted) {
      parts.preview?.remove();
      parts.preview = null;
      continue;
    }
    parts.preview?.remove();
    parts.preview = el("div", { class: "preview", "aria-hidden": "true" },
      el("div", { class: "preview-text", dir: "auto" }, wanted.text),
      el("span", { class: "preview-tag" }, `Preview of version ${wanted.number}, not in the draft`));
    parts.cell.append(parts.preview);
    const list = byId("paragraphs");
    const box = parts.row.getBoundingClientRect();
    const view = list.getBoundingClientRect();
    if (box.bottom < view.top + 40 || box.top > view.bottom - 40) parts.row.scrollIntoView({ block: "nearest" });
  }
}

export const focusParagraph = (id) => rows.get(id)?.area.focus();

export function start() {
  store.on("draft text versions selection hover", draw);
  store.on("hover draft versions", preview);
  const all = byId("place-all");
  all.addEventListener("click", placeAll);
  all.addEventListener("dragstart", (event) => {
    event.dataTransfer.setData(DRAGGED, JSON.stringify(state.order));
    event.dataTransfer.effectAllowed = "copy";
  });
  byId("paragraphs").addEventListener("click", (event) => {
    // A click below the text goes on writing at its end.
    const last = state.order.at(-1);
    if (event.target.id === "paragraphs" && last && !isTyping(event.target)) focusAt(last, store.paragraphOf(last).text.length);
  });
}
