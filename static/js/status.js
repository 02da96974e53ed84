// Two quiet lights in the bar: is it saved, and can the model write.
import { get, post, Problem } from "./api.js";
import { scoreSoon } from "./actions.js";
import { announce, byId, el, redraw } from "./dom.js";
import * as outbox from "./outbox.js";
import * as store from "./store.js";
import { switchRow } from "./switch.js";
import { CONSENT_WORDS, plural } from "./words.js";

const { state } = store;
const LOADING_EVERY = 1500;
const READY_EVERY = 20000;

const SAVE_WORDS = {
  saved: () => "Saved",
  saving: () => "Saving…",
  slow: () => "Still saving…",
  offline: () => "Offline: kept on this computer",
  unsaved: (reason) => `Not saved. ${reason} Your text is kept on this computer.`,
};

function drawSave() {
  const { state: now, reason } = state.save;
  const light = byId("save");
  light.dataset.state = now;
  const words = SAVE_WORDS[now](reason);
  const short = now === "unsaved" ? "Not saved" : words;
  light.querySelector(".save-words").textContent = short;
  light.title = words;
  drawTrouble(now, words);
}

let trouble = null;
/** “Not saved” is too important for a tooltip: its reason stands in a line under the bar. */
function drawTrouble(now, words) {
  trouble?.remove();
  trouble = null;
  if (now !== "unsaved" || state.conflicts.length) return;
  trouble = el("div", { class: "notice bad" }, el("p", {}, words), el("button", { class: "button", type: "button", onclick: outbox.retry }, "Try again now"));
  byId("notices").prepend(trouble);
}

function chipWords({ status, info, queue, scorer }) {
  if (status === "loading") return "Model loading…";
  if (status === "error") return "Model not available";
  if (scorer?.status === "error") return "Scorer not available";
  const name = (info?.model_id || "").split("/").at(-1);
  const place = info?.kind === "remote" ? "remote" : info?.device;
  const waiting = queue?.waiting ? ` · ${plural(queue.waiting, "writer")} waiting` : "";
  return `${name}${place ? ` · ${place}` : ""}${waiting}`;
}

let pop = null;

function drawModel() {
  const chip = byId("model");
  const { model } = state;
  chip.dataset.status = model.scorer?.status === "error" ? "error" : model.status;
  chip.querySelector("span").textContent = chipWords(model);
  chip.setAttribute("aria-label", `Model: ${chipWords(model)}`);
  chip.title = chipWords(model);
  if (pop) redraw(pop, explain());
}

function explain() {
  const { status, info, problem, scorer } = state.model;
  const trouble = problem || scorer?.problem;
  if (trouble) {
    return [el("p", {}, el("strong", {}, trouble.detail || trouble.what || "The model is not available.")), trouble.mend ? el("p", {}, trouble.mend) : "",
      el("p", { class: "dim" }, "Writing, saving, importing and exporting work without it."),
      el("button", { class: "button", type: "button", onclick: again }, "Try again")];
  }
  if (status === "loading") return [el("p", {}, "The model is being loaded. The first time takes some seconds; you can write meanwhile.")];
  const rows = [["Model", info?.model_id], ["Tuned layer", info?.tuned_id], ["Runs on", [info?.device, info?.dtype].filter(Boolean).join(", ")], ["SHA-256", info?.sha256]].filter(([, value]) => value);
  const local = info?.kind !== "remote";
  return [el("p", {}, info?.kind === "remote" ? "Text is written by the model server you set up." : "Text is written on this machine; nothing leaves it."),
    el("dl", { class: "facts-table" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    local && learning() ? learningSwitch() : null];
}

const learning = () => document.body.dataset.learn === "on";

function learningSwitch() {
  const { consent, problem } = state.learn;
  return el("div", { class: "learn-switch" },
    switchRow({ on: consent, key: "consent", change: setConsent }),
    el("p", { class: "dim" }, CONSENT_WORDS),
    problem ? el("p", { class: "message bad", role: "alert" }, problem) : null,
    el("a", { href: "/learn", data: { key: "learn-page" } }, "Layers it has learnt, and which one writes"));
}

async function loadConsent() {
  try {
    store.setLearn({ ...(await get("/api/learn/consent")), problem: "" });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    store.setLearn({ problem: `Your choice can’t be fetched just now. ${problem.sentence}` });
  }
}

async function setConsent(given) {
  store.setLearn({ consent: given, problem: "" });
  try {
    store.setLearn(await post("/api/learn/consent", { given }));
    announce(given ? "Learning is on." : "Learning is off; nothing of yours is used from now on.");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    store.setLearn({ consent: !given, problem: `This was not changed. ${problem.sentence}` });
  }
}

async function again() {
  store.setModel({ ...state.model, status: "loading", problem: null });
  try {
    await post("/api/model/retry");
  } catch {
    // The poll below shows what is wrong.
  }
  poll();
}

function toggle() {
  if (pop) {
    close();
    return;
  }
  pop = el("div", { class: "pop model-pop", role: "group", "aria-label": "Model" }, explain());
  // After its button in the page, so that Tab goes into it.
  byId("model").after(pop);
  if (learning()) loadConsent();
  byId("model").setAttribute("aria-expanded", "true");
}

function close() {
  pop?.remove();
  pop = null;
  byId("model").setAttribute("aria-expanded", "false");
}

let timer = 0;
async function poll() {
  clearTimeout(timer);
  let next = READY_EVERY;
  try {
    const was = state.model.scorer?.status;
    const model = await get("/api/model", { seconds: 10 });
    store.setModel(model);
    if (model.scorer?.status === "ready" && was !== "ready") scoreSoon(0);
    if (model.status === "loading" || model.scorer?.status === "loading") next = LOADING_EVERY;
    else if (model.status === "error") next = 5000;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    next = 5000;
  }
  timer = setTimeout(poll, next);
}

export function start() {
  store.on("save conflicts", drawSave);
  store.on("model", drawModel);
  byId("model").addEventListener("click", toggle);
  addEventListener("pointerdown", (event) => { if (pop && !pop.contains(event.target) && !event.target.closest("#model")) close(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !pop) return;
    close();
    byId("model").focus();
  });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") poll(); });
  poll();
}
