// The draft as a file: Markdown, Word, or the project file that opens here again with all its history.
import { Problem, send, upload } from "./api.js";
import { announce, byId, el, icon } from "./dom.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import { state } from "./store.js";

const FORMS = [
  { id: "md", path: "export.md", name: "Markdown", hint: "the text as it stands, .md" },
  { id: "md-provenance", path: "export.md?provenance=1", name: "Markdown with provenance", hint: "with a table of who wrote which sentence" },
  { id: "docx", path: "export.docx", name: "Word", hint: "the text as it stands, .docx" },
  { id: "docx-provenance", path: "export.docx?provenance=1", name: "Word with provenance", hint: "with a table of who wrote which sentence" },
  { id: "spatial", path: "project.spatial", name: "Project file", hint: "every version, to open here again, .spatial" },
];

let menu = null;

/** The name the server gave the file; the plain one is there for browsers of old. */
function nameIn(response) {
  const told = response.headers.get("Content-Disposition") || "";
  const coded = /filename\*=UTF-8''([^;]+)/.exec(told)?.[1];
  return coded ? decodeURIComponent(coded) : /filename="([^"]+)"/.exec(told)?.[1] || "draft";
}

/** Fetched first, so that a refusal is told in words and not by a page in place of the editor. */
async function take(form) {
  let done = () => {};
  const slow = setTimeout(() => { done = notice(`Making the ${form.name} file…`, { seconds: 120 }); }, 600);
  let saved = false;
  try {
    await outbox.settled();
    saved = true;
    const response = await send("GET", `/api/drafts/${state.draft.id}/${form.path}`, { seconds: 120 });
    const link = el("a", { href: URL.createObjectURL(await response.blob()), download: nameIn(response) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    announce(`${link.download} is exported.`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const what = saved ? "The file could not be made." : "Your last words are not saved yet, so they would be missing.";
    notice(`${what} ${problem.sentence}`, { bad: true, actions: [["Try again", () => take(form)]] });
  } finally {
    clearTimeout(slow);
    done();
  }
}

function choose(form) {
  close();
  byId("export").focus();
  take(form);
}

function close() {
  if (!menu) return;
  menu.remove();
  menu = null;
  byId("export").setAttribute("aria-expanded", "false");
}

function keydown(event) {
  const items = [...menu.querySelectorAll("button")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items[(to + items.length) % items.length].focus();
}

function toggle() {
  if (menu) {
    close();
    return;
  }
  const button = byId("export");
  menu = el("div", { class: "pop export-menu", role: "group", "aria-label": "Export the draft as", onkeydown: keydown },
    FORMS.map((form) => el("button", { type: "button", data: { form: form.id }, onclick: () => choose(form) },
      el("span", { class: "name" }, form.name), el("span", { class: "when" }, form.hint))));
  // After its button in the page, so that Tab goes into it.
  button.after(menu);
  menu.style.right = `${button.parentElement.clientWidth - button.offsetLeft - button.offsetWidth}px`;
  button.setAttribute("aria-expanded", "true");
  menu.querySelector("button").focus();
}

export const isProject = (file) => /\.spatial$/i.test(file.name);

/** A project file becomes a draft of its own, and is opened. */
export async function bringProject(file) {
  const form = new FormData();
  form.append("file", file);
  const done = notice(`Opening “${file.name}”…`, { seconds: 120 });
  try {
    await outbox.settled();
    const draft = await upload("/api/projects", form);
    location.assign(`/drafts/${draft.id}`);
  } catch (problem) {
    done();
    if (!(problem instanceof Problem)) throw problem;
    notice(`“${file.name}” was not opened. ${problem.sentence}`, { bad: true, actions: [["Try again", () => bringProject(file)]] });
  }
}

export function start() {
  const button = byId("export");
  button.prepend(icon("out"));
  button.addEventListener("click", toggle);
  addEventListener("pointerdown", (event) => { if (menu && !menu.contains(event.target) && !button.contains(event.target)) close(); });
  addEventListener("focusin", (event) => { if (menu && !menu.contains(event.target) && event.target !== button) close(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu) return;
    close();
    button.focus();
  });
  addEventListener("resize", close);
}
