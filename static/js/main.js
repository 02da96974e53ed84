// Wires the page: first the text, then what it needs, last the chart's library.
import { get, Problem } from "./api.js";
import * as candidates from "./candidates.js";
import * as canvas from "./canvas.js";
import * as chat from "./chat.js";
import * as combine from "./combine.js";
import * as compare from "./compare.js";
import * as correct from "./correct.js";
import * as conflict from "./conflict.js";
import { byId, icon, sleep } from "./dom.js";
import * as drafts from "./drafts.js";
import * as editor from "./editor.js";
import * as files from "./files.js";
import * as generations from "./generations.js";
import * as goal from "./goal.js";
import * as history from "./history.js";
import * as labels from "./labels.js";
import * as muse from "./muse.js";
import { notice } from "./notices.js";
import * as opened from "./opened.js";
import * as outbox from "./outbox.js";
import * as panes from "./panes.js";
import * as plain from "./plain.js";
import * as project from "./project.js";
import * as prompts from "./prompts.js";
import * as recorder from "./recorder.js";
import * as rescore from "./rescore.js";
import * as shortcuts from "./shortcuts.js";
import * as sources from "./sources.js";
import * as status from "./status.js";
import * as store from "./store.js";
import { has } from "./switches.js";
import * as theme from "./theme.js";
import * as tour from "./tour.js";
import * as undo from "./undo.js";
import * as why from "./why.js";

const draftId = document.body.dataset.draft;

/** Until it works: a desk without its text is of no use, and a server that restarts comes back in seconds. */
async function insist(work, says) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      return await work();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status >= 400 && problem.status < 500) {
        notice(problem.sentence, { bad: true });
        throw problem;
      }
      notice(`${says} Trying again…`, { bad: true, seconds: wait / 1000 });
      await sleep(wait);
    }
  }
}

if (!has.study) byId("import").prepend(icon("in"));
for (const part of [
  theme, panes, editor, sources, conflict, undo, shortcuts,
  ...(has.study ? [drafts.title] : [drafts, files, project]),
  ...(has.chat ? [chat, plain] : [opened, candidates, history]),
  ...(has.labels ? [labels, prompts, compare, combine] : []),
  ...(has.muse ? [muse] : []),
  ...(has.canvas ? [goal, canvas, tour] : []),
  ...(has.canvas && has.scores ? [correct, rescore] : []),
  ...(has.scores && !has.chat ? [why] : []),
]) part.start();
recorder.start();
if (has.study) await (await import("./study/bar.js")).start();

const draft = await insist(() => get(`/api/drafts/${draftId}`), "The draft can’t be fetched just now.");
store.openDraft(draft);
await outbox.start(draftId);
if (store.isEmptyDraft()) editor.focusParagraph(store.state.order[0]);
generations.start();
status.start();
if (has.chat) await insist(chat.load, "What was said can’t be fetched just now.");
if (has.canvas) requestAnimationFrame(() => setTimeout(canvas.loadChart));
store.setLabels(await insist(() => get("/api/labels"), "The labels can’t be fetched just now."));
