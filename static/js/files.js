// Files come in by button, paste or drop; the server reads them, the writer says where they go.
import { post, Problem, upload } from "./api.js";
import { byId, uuid } from "./dom.js";
import { notice } from "./notices.js";
import * as outbox from "./outbox.js";
import { bringProject, isProject } from "./project.js";
import * as store from "./store.js";
import { fitting } from "./textwork.js";
import { plural } from "./words.js";

const { state } = store;

export async function readFiles(files) {
  for (const file of files) await (isProject(file) ? bringProject(file) : readFile(file));
}

async function readFile(file) {
  const form = new FormData();
  form.append("file", file);
  const done = notice(`Reading “${file.name}”…`, { seconds: 120 });
  try {
    const { title, paragraphs } = await upload("/api/imports", form);
    done();
    if (!paragraphs.length) notice(`“${file.name}” has no text in it.`, { bad: true });
    else if (store.isEmptyDraft()) append(paragraphs, title);
    else offer(file.name, title, paragraphs);
  } catch (problem) {
    done();
    if (!(problem instanceof Problem)) throw problem;
    notice(`“${file.name}” was not imported. ${problem.sentence} Your draft is unchanged.`, { bad: true });
  }
}

function offer(name, title, paragraphs) {
  notice(`“${name}” has ${plural(paragraphs.length, "paragraph")}.`, {
    seconds: 0,
    actions: [
      ["Open as a new draft", () => openNew(title, paragraphs)],
      ["Add to this draft", () => append(paragraphs)],
    ],
  });
}

/** In several requests where it is long; after a failure it goes on where it was. */
async function openNew(title, paragraphs, draft = null) {
  let edits = paragraphs.map((text) => ({ paragraph_id: uuid(), base: null, text }));
  try {
    draft ??= await post("/api/drafts", { title });
    while (edits.length) {
      const part = fitting(edits, 500_000, 5000);
      await post(`/api/drafts/${draft.id}/save`, { edits: part });
      edits = edits.slice(part.length);
    }
    location.assign(`/drafts/${draft.id}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    notice(problem.sentence, { bad: true, actions: [["Try again", () => openNew(title, edits.map((edit) => edit.text), draft)]] });
  }
}

function append(paragraphs, title = null) {
  const blank = state.order.filter((id) => !store.paragraphOf(id).text.trim());
  const ids = store.insertParagraphs(null, paragraphs);
  for (const id of blank) store.dropParagraph(id);
  ids.forEach((id, i) => outbox.keep(id, paragraphs[i], null));
  if (title && /^Untitled/.test(state.draft.title)) {
    store.setTitle(title);
    outbox.keepTitle(title);
  }
}

export function start() {
  const chooser = byId("file");
  byId("import").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", async () => {
    await readFiles([...chooser.files]);
    chooser.value = "";
  });
  const pane = byId("draft");
  pane.dataset.drop = "Drop to import";
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const type of ["dragenter", "dragover"]) {
    // Anywhere on the page, or a missed drop would replace the editor with the file.
    addEventListener(type, (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      pane.classList.add("dropping");
    });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) pane.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    pane.classList.remove("dropping");
    readFiles([...event.dataTransfer.files]);
  });
}
