// The study bar over the desk: which step, how much time, and the way on.
import { byId, el, sleep } from "../dom.js";
import { Problem } from "../api.js";
import { notice } from "../notices.js";
import * as outbox from "../outbox.js";
import { remember } from "./drafts.js";
import * as session from "./session.js";

const SOON = 4000;

async function leave(more = {}) {
  const done = byId("study-done");
  done.disabled = true;
  try {
    // Time is up: what can't be stored in a few seconds is no longer taken by the server either.
    if (more.time_up) await Promise.race([outbox.settled(), sleep(SOON)]).catch(() => {});
    else await outbox.settled();
    document.body.inert = true; // what is typed from here on belongs to no step
    await session.advance(more);
  } catch (problem) {
    document.body.inert = false;
    done.disabled = false;
    if (!(problem instanceof Problem)) throw problem;
    notice(problem.sentence, { bad: true });
  }
}

function ask() {
  const dialog = byId("study-dialog");
  const close = () => dialog.close();
  dialog.replaceChildren(
    el("h2", { id: "study-dialog-heading" }, "Done with this step?"),
    el("p", {}, "Your text is kept as it is now. You can’t come back to it afterwards."),
    el("div", { class: "study-choices" },
      el("button", { class: "button primary", type: "button", onclick: () => { close(); leave(); } }, "Done, go on"),
      el("button", { class: "button", type: "button", onclick: close }, "Keep writing")));
  dialog.showModal();
}

/** The task is told when the step is seen first; after a reload it is one press away. */
function isNew() {
  const { place } = document.body.dataset;
  try {
    const seen = sessionStorage.getItem("study-brief");
    sessionStorage.setItem("study-brief", place);
    return seen !== place;
  } catch {
    return true;
  }
}

export async function start() {
  remember(document.body.dataset.draft);
  byId("study-done").addEventListener("click", ask);
  const [brief, task] = [byId("study-brief"), byId("study-task")];
  const show = (open) => {
    brief.hidden = !open;
    task.setAttribute("aria-expanded", String(open));
  };
  task.addEventListener("click", () => show(brief.hidden));
  show(isNew());
  session.onTimeUp(() => leave({ time_up: true }));
  // A missed drop would replace the desk with the file.
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
  }
  await session.start();
  byId("study-done").disabled = false;
}
