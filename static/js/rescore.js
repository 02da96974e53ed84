// When the scorer was changed: says which versions an earlier one placed, and measures again when the writer wants it.
import { attempt, reload } from "./actions.js";
import { get, post, Problem } from "./api.js";
import { reveal } from "./canvas.js";
import { announce, byId, el } from "./dom.js";
import { notice } from "./notices.js";
import * as store from "./store.js";
import { plural } from "./words.js";

const { state } = store;
const ASK_EVERY = 600;
const ASK_AGAIN = 4000; // after an answer that did not come

const bar = el("div", { class: "scale-bar", role: "group", "aria-label": "Scale", hidden: true });
let timer = 0;
let asked = false; // whether a job that another window began was asked for

const path = (end = "") => `/api/drafts/${state.draft.id}/rescore${end}`;
const elsewhere = () => [...state.versions.values()].filter(store.otherScale).length;

function draw() {
  if (!state.draft) return;
  const job = state.rescore;
  const count = elsewhere();
  const key = bar.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  bar.hidden = job?.status !== "running" && !count;
  if (bar.hidden) {
    if (key) byId("canvas").focus();
    bar.replaceChildren();
    return;
  }
  if (job?.status === "running") {
    const words = `Measuring again: ${job.done} of ${job.total}`;
    bar.replaceChildren(el("p", {}, words), el("progress", { max: job.total, value: job.done, "aria-label": words }),
      el("button", { class: "quiet", type: "button", data: { key: "stop" }, onclick: stop }, "Stop"));
  } else {
    const failed = job?.status === "failed" ? `${job.problem.detail} ` : "";
    const all = count === [...state.versions.values()].filter((it) => it.placement).length;
    bar.replaceChildren(
      el("p", {}, `${failed}${plural(count, "version was", "versions were")} placed by an earlier scale${all ? "" : "; they can’t be compared with the newer ones"}.`),
      el("button", { class: "button", type: "button", data: { key: "again" }, title: "Old places are kept with each version", onclick: begin }, "Measure again"));
  }
  if (key) (bar.querySelector(`[data-key=${key}]`) ?? bar.querySelector("button"))?.focus();
}

const begin = () => attempt(async () => {
  store.setRescore(await post(path()));
  announce(`Measuring ${plural(state.rescore.total, "version")} again. You can go on writing.`);
  askSoon();
});

const stop = () => attempt(async () => take((await post(path("/stop"))).job));

function askSoon(delay = ASK_EVERY) {
  clearTimeout(timer);
  timer = setTimeout(ask, delay);
}

async function ask() {
  try {
    await take((await get(path())).job);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (state.rescore?.status === "running") askSoon(ASK_AGAIN);
  }
}

async function take(job) {
  const was = state.rescore?.status;
  store.setRescore(job);
  if (job?.status === "running") {
    askSoon();
    return;
  }
  if (was !== "running") return;
  await reload();
  store.forgetDetails();
  reveal(store.nodes().map(store.placeOf));
  const words = { done: `${plural(job.total, "version")} measured again. Where each stood before is kept with it.`, cancelled: `Stopped: ${job.done} of ${job.total} versions are measured again.` }[job.status];
  if (words) announce(words);
  if (job.status === "failed") notice(`${job.problem.detail} ${job.problem.mend ?? ""}`, { bad: true });
}

export function start() {
  byId("frame").before(bar);
  store.on("versions draft model rescore", () => {
    draw();
    if (!asked && state.draft && elsewhere()) {
      asked = true;
      ask();
    }
  });
}
