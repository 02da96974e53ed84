// A step that is a page: consent, questions, text, break, the end.
import { Problem } from "../api.js";
import { byId, sleep } from "../dom.js";
import * as recorder from "../recorder.js";
import * as form from "./form.js";
import * as session from "./session.js";

const kind = document.body.dataset.kind;
const trouble = byId("study-trouble");
const next = byId("study-next");

function complain(words) {
  trouble.hidden = !words;
  trouble.textContent = words;
}

/** Do it with the buttons off; a refusal is said beside them. */
async function attempt(buttons, work) {
  complain("");
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.body.wrong) form.show(problem.body.wrong);
    complain(problem.sentence);
    for (const button of buttons) button.disabled = false;
  }
}

const goOn = (more = {}) => attempt([next], async () => {
  if (!(await form.settled())) throw new Problem({ detail: "Some answers are not stored yet. Check the connection and press again." });
  await session.advance(more);
});

function consent() {
  const [yes, no] = [byId("study-agree"), byId("study-disagree")];
  const { version } = yes.dataset;
  yes.addEventListener("click", () => attempt([yes, no], async () => {
    await session.send("consent", { version, agreed: true });
    await session.advance();
  }));
  no.addEventListener("click", () => attempt([yes, no], async () => {
    await session.send("consent", { version, agreed: false });
    session.go();
  }));
}

async function debrief() {
  const code = byId("study-code");
  for (;;) {
    try {
      const answer = await session.finish();
      code.textContent = answer.code;
      code.classList.add("study-code-word");
      const copy = byId("study-copy");
      copy.hidden = !navigator.clipboard;
      copy.addEventListener("click", () => { navigator.clipboard.writeText(answer.code); copy.textContent = "Copied"; });
      byId("study-bye").hidden = false;
      byId("study-stop").hidden = true;
      session.end();
      await import("./over.js");
      return;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 401) return;
      complain(problem.sentence);
      await sleep((problem.retryAfter ?? 3) * 1000);
      complain("");
    }
  }
}

form.start();
await recorder.start();
await session.start();
next?.addEventListener("click", () => goOn());
session.onTimeUp(() => { if (next) goOn({ time_up: true }); });
if (kind === "consent") consent();
// Only now: a press that nothing hears would be lost.
for (const button of document.querySelectorAll(".study-go button")) button.disabled = false;
if (kind === "debrief") await debrief();
