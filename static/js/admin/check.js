// The readiness check without leaving the page, and the progress of a dry run.
import { get, send } from "../api.js";
import { announce, byId, el, sleep } from "../dom.js";

const form = byId("check-form");
const list = byId("checks");
const WORDS = { ok: "good", warn: "look at it", bad: "not ready" };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  button.textContent = "Checking…";
  byId("browser-ms").value = String(Date.now());
  try {
    const body = new FormData(form);
    const response = await send("POST", form.action, { form: body, seconds: 180 });
    show(await response.json());
  } catch (error) {
    list.replaceChildren(line({ name: "The check", state: "bad", told: error.message }));
  }
  button.disabled = false;
  button.textContent = "Check again";
  delete form.dataset.sent;
});

const line = (check) => el("li", { class: check.state },
  el("span", { class: "mark", "aria-hidden": "true" }),
  el("div", {}, el("strong", {}, check.name), " ", el("span", { class: "dim" }, WORDS[check.state]), el("p", {}, check.told)));

function show(checks) {
  list.replaceChildren(...checks.map(line));
  const bad = checks.filter((check) => check.state === "bad").length;
  announce(bad ? `${bad} of ${checks.length} checks failed.` : "Ready.");
}

const dry = byId("dry-run");
async function follow() {
  for (;;) {
    await sleep(1000);
    let run;
    try {
      run = await get(`/admin/studies/${dry.dataset.study}/dry-run.json`);
    } catch {
      continue;
    }
    const words = {
      running: () => el("p", {}, `Under way for ${Math.round(run.seconds)} s.`),
      passed: () => el("p", { class: "told good" }, `Through in ${Math.round(run.seconds)} s; ${run.erased} rows erased.`),
      failed: () => el("p", { class: "told bad" }, run.problem),
    };
    byId("dry-told").replaceChildren(words[run.state](), el("ol", { class: "steps" }, run.steps.map((one) => el("li", {}, one.step))));
    if (run.state !== "running") {
      byId("dry-button").textContent = "Dry run again";
      return;
    }
  }
}
if (dry.dataset.state === "running") follow();
