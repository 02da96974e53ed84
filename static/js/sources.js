// The source pack: texts that the draft's facts may be taken from. A dialog to attach, read and remove them.
import { get, post, Problem, remove as erase, upload } from "./api.js";
import { announce, byId, el, icon, redraw } from "./dom.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import { ago, plural } from "./words.js";

const { state } = store;
const dialog = () => byId("sources");
const MOST = 1_000_000;
let trouble = ""; // a sentence: what did not work, and the way on
let busy = ""; // what is going on
let reading = null; // {id, title, text} of the source that is open
let asking = null; // id of the source whose removal is asked about
let written = { title: "", text: "" }; // what stands in the form, kept over redraws

const path = (id = "") => `/api/drafts/${state.draft.id}/sources${id && `/${id}`}`;

/** Do it with words for what goes on; a refusal stays in the dialog until the next try. Tells whether it worked. */
async function attempt(words, work) {
  busy = words;
  trouble = "";
  draw();
  try {
    await work();
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    trouble = problem.code === "offline" ? "The server can’t be reached, so nothing was changed. Try again in a moment." : problem.sentence;
    announce(trouble);
    return false;
  } finally {
    busy = "";
    draw();
  }
}

async function attach(title, text) {
  const added = await post(path(), { title: title.slice(0, 200), text }, { seconds: 120 });
  store.setSources([...state.sources, added]);
  announce(`“${added.title}” is attached.`);
}

async function submit(event) {
  event.preventDefault();
  const { title, text } = written;
  if (!text.trim()) {
    trouble = "Paste the text of the source first, or choose a file.";
    draw();
    dialog().querySelector("textarea").focus();
    return;
  }
  if (await attempt("Attaching…", () => attach(title.trim(), text))) {
    written = { title: "", text: "" };
    draw();
  }
}

/** Files are read by the server as for an import; each becomes one source. */
async function bring(files) {
  for (const file of files) {
    const form = new FormData();
    form.append("file", file);
    await attempt(`Reading “${file.name}”…`, async () => {
      const { title, paragraphs } = await upload("/api/imports", form);
      await attach(title || file.name, paragraphs.join("\n\n"));
    });
  }
}

async function read(source) {
  await attempt("Opening…", async () => { reading = await get(path(source.id)); });
  dialog().querySelector("[data-key=back]")?.focus();
}

async function takeOff(source) {
  asking = null;
  await attempt("Removing…", async () => {
    await erase(path(source.id));
    store.setSources(state.sources.filter((it) => it.id !== source.id));
    announce(`“${source.title}” is removed.`);
  });
  dialog().querySelector("textarea")?.focus();
}

function entry(source) {
  if (asking === source.id) {
    return el("li", { class: "source" }, el("span", { class: "source-name" }, `Remove “${source.title}”? Versions made with it stay.`),
      el("button", { class: "button danger", type: "button", data: { key: "yes" }, onclick: () => takeOff(source) }, "Remove"),
      el("button", { class: "button", type: "button", onclick: () => { asking = null; draw(); } }, "Keep"));
  }
  return el("li", { class: "source" },
    el("button", { class: "quiet source-name", type: "button", dir: "auto", title: "Read", data: { key: `read-${source.id}` }, onclick: () => read(source) }, source.title),
    el("span", { class: "dim" }, `${plural(Math.max(1, Math.round(source.chars / 6)).toLocaleString(), "word")} · ${ago(source.created_at)}`.replace(/^1 words/, "1 word")),
    has.study ? null : el("button", {
      class: "quiet only-icon", type: "button", "aria-label": `Remove “${source.title}”`, title: "Remove",
      onclick: () => { asking = source.id; draw(); dialog().querySelector("[data-key=yes]")?.focus(); },
    }, icon("bin")));
}

function form() {
  const text = el("textarea", {
    dir: "auto", rows: 5, "aria-label": "Text of the source", data: { key: "text" }, value: written.text, maxlength: String(MOST),
    placeholder: "Paste notes, an abstract or a paper’s text here, or drop a .md, .txt or .docx file.",
    oninput: () => { written.text = text.value; },
    onpaste: (event) => {
      if (!event.clipboardData.files.length || event.clipboardData.getData("text/plain")) return;
      event.preventDefault();
      bring([...event.clipboardData.files]);
    },
  });
  const title = el("input", { type: "text", dir: "auto", maxlength: "200", autocomplete: "off", "aria-label": "Title of the source", placeholder: "Title, for you to know it by", data: { key: "title" }, value: written.title, oninput: () => { written.title = title.value; } });
  const chooser = el("input", { type: "file", accept: ".md,.txt,.docx,.markdown,text/plain,text/markdown", multiple: true, hidden: true, onchange: () => bring([...chooser.files]) });
  return el("form", { class: "source-form", onsubmit: submit }, el("h3", {}, "Attach a source"), title, text,
    el("div", { class: "source-actions" },
      el("button", { class: "button primary", type: "submit", data: { key: "attach" } }, "Attach"),
      el("button", { class: "button", type: "button", data: { key: "file" }, onclick: () => chooser.click() }, icon("in"), "Choose a file"), chooser));
}

function listed() {
  if (!state.sources.length && has.study) return el("p", { class: "source-empty" }, "This text has no source.");
  if (!state.sources.length) {
    return el("p", { class: "source-empty" }, "No source yet. Attach notes, an abstract or a paper, and labels that need facts take them from there and from nowhere else. What neither your text nor a source says is marked as a new claim.");
  }
  return el("ul", { class: "source-list", "aria-label": "Attached sources" }, state.sources.map(entry));
}

function opened() {
  return [
    el("div", { class: "source-actions" }, el("button", { class: "button", type: "button", data: { key: "back" }, onclick: () => { reading = null; draw(); dialog().querySelector("[data-key=text]")?.focus(); } }, "Back to the list")),
    el("div", { class: "source-text", dir: "auto", tabindex: "0", role: "group", "aria-label": `Text of ${reading.title}` }, reading.text)];
}

function draw() {
  const button = byId("sources-button");
  button.hidden = !state.draft;
  const count = state.sources.length;
  button.setAttribute("aria-label", count ? `Sources: ${count} attached` : "Sources: none attached");
  button.title = "Texts that facts may be taken from";
  button.replaceChildren(icon("source"), el("span", { class: "button-words" }, "Sources"), count ? el("span", { class: "count" }, String(count)) : "");
  if (!dialog().open) return;
  redraw(dialog(),
    el("div", { class: "head-row" }, el("h2", { id: "sources-heading", dir: "auto" }, reading ? reading.title : "Sources"),
      el("button", { class: "quiet only-icon", type: "button", "aria-label": "Close", data: { key: "close" }, onclick: () => dialog().close() }, icon("cross"))),
    trouble ? el("p", { class: "message bad", role: "alert" }, trouble) : null,
    el("p", { class: "source-busy dim", role: "status" }, busy),
    ...(reading ? opened() : [listed(), has.study ? null : form()]));
}

/** Open the dialog; from anywhere that misses a source. */
export function openSources() {
  if (dialog().open) return;
  [trouble, reading, asking] = ["", null, null];
  dialog().showModal();
  draw();
  (dialog().querySelector("textarea") ?? dialog().querySelector(".source-name"))?.focus();
}

export function start() {
  byId("sources-button").addEventListener("click", openSources);
  const box = dialog();
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  box.addEventListener("close", () => byId("sources-button").focus());
  // Here a dropped file is a source; elsewhere on the page it is an import.
  box.addEventListener("dragover", (event) => {
    if (has.study || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    box.classList.add("dropping");
  });
  box.addEventListener("dragleave", (event) => { if (!box.contains(event.relatedTarget)) box.classList.remove("dropping"); });
  box.addEventListener("drop", (event) => {
    if (has.study || !event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.remove("dropping");
    bring([...event.dataTransfer.files]);
  });
  store.on("sources draft", draw);
}
