// A participant's page: which tab it is, whether it may act, how much time is left. Asked of the server every few seconds.
import { post, Problem } from "../api.js";
import { announce, byId, el, sleep, uuid } from "../dom.js";
import * as recorder from "../recorder.js";
import { plural } from "../words.js";
import { forget } from "./drafts.js";

const EVERY = 5000;
const NARROWEST = 1280;
const data = document.body.dataset;

function sameTab() {
  try {
    const known = sessionStorage.getItem("study-tab") ?? uuid();
    sessionStorage.setItem("study-tab", known);
    return known;
  } catch {
    return uuid(); // Without storage a reload counts as another tab, and is asked.
  }
}

/** Survives a reload; `load` does not. */
export const tab = sameTab();
const load = uuid();
const page = () => ({ tab, load, number: Number(data.number) });

let clock = null; // {left, warn, hard_stop, paused, at}
let warned = false;
let leaving = false;
let stopped = false; // something lies over the page

/** To the page of whatever step comes now. */
export function go() {
  leaving = true;
  location.replace("/study");
}

// ── What lies over the page ────────────────────────────────────────────────────────────────────────────────────────

const block = el("dialog", { id: "study-block", class: "study-block", "aria-labelledby": "study-block-heading" });
block.addEventListener("cancel", (event) => event.preventDefault());
let covering = null;

function cover(why, heading, words, ...actions) {
  if (covering === why) return;
  covering = why;
  block.replaceChildren(
    el("h2", { id: "study-block-heading", tabindex: "-1", autofocus: true }, heading),
    ...words.map((line) => el("p", {}, line)),
    ...(actions.length ? [el("div", { class: "row" }, actions)] : []));
  if (!block.isConnected) document.body.append(block);
  if (!block.open) block.showModal();
}

function uncover(why) {
  if (covering !== why && why !== undefined) return;
  covering = null;
  if (block.open) block.close();
}

const button = (words, act, primary = true) => el("button", { class: primary ? "button primary" : "button", type: "button", onclick: act }, words);

/** Show what the state asks for; gives whether the page may be used. */
function apply(state) {
  clock = state.clock ? { ...state.clock, at: performance.now() } : null;
  if (state.state !== "active") {
    if (data.place && !leaving) go();
    return false;
  }
  if (!state.study_open) {
    cover("closed", "The study is closed", ["What you did is kept. Ask the person who gave you the link."]);
    return false;
  }
  if (state.elsewhere) {
    stopped = true;
    cover("elsewhere", "The study is open in another window", ["Go on there, or take it over here. What you wrote is kept either way."], button("Go on here", takeOver));
    return false;
  }
  if (state.place !== data.place) {
    go();
    return false;
  }
  if (state.blocked) {
    cover("blocked", "Please ask the person who runs the study", ["This page was reloaded or closed, and this step can’t be gone on with by itself. What you did is kept. It goes on as soon as they let it."]);
    return false;
  }
  if (state.clock?.paused) {
    cover("paused", "The study is paused", [state.clock.paused, "Your time stands still. It goes on by itself when the pause is over."]);
    return false;
  }
  if (stopped || (covering && covering !== "narrow")) {
    // It had stood still: what this page shows may be old.
    if (stopped || covering === "blocked") {
      go();
      return false;
    }
    uncover();
  }
  return true;
}

async function takeOver() {
  await ask("here", { ...page(), take: true });
  go();
}

// ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function ask(path, body, options) {
  try {
    return await post(`/api/study/${path}`, body, { seconds: 15, ...options });
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) {
      stopped = true;
      cover("signed-out", "The study goes on in another browser", ["Your link was opened elsewhere, or it was withdrawn. To go on here, open your link again."]);
    }
    throw problem;
  }
}

let looking = 0;
async function look() {
  clearTimeout(looking);
  if (leaving || covering === "signed-out") return;
  try {
    apply(await ask("state", { ...page(), recorders: recorder.numbered() }));
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem; // offline: the next one may get through
  }
  looking = setTimeout(look, EVERY);
}

let beReady = () => {};
/** Resolves once the server knows that this document is here: what is sent before would be refused. */
export const ready = new Promise((resolve) => { beReady = resolve; });

/** Tell the server that this document is here; the page is usable once this has resolved. */
export async function start() {
  document.body.append(block);
  narrow();
  addEventListener("resize", narrow);
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      apply(await ask("here", page()));
      break;
    } catch (problem) {
      if (!(problem instanceof Problem) || (problem.status >= 400 && problem.status < 500)) break;
      await sleep(wait);
    }
  }
  beReady();
  looking = setTimeout(look, EVERY);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
    // The page may never come back: what it has numbered by now is told all the same.
    else if (!leaving) post("/api/study/state", { ...page(), recorders: recorder.numbered() }, { keepalive: true, seconds: 0 }).catch(() => {});
  });
  const stop = byId("study-stop");
  stop.addEventListener("click", askToStop);
  stop.disabled = false;
  tick();
}

/** Send something about this step; refusals that only mean “look again” do so. */
export async function send(path, more = {}, options = {}) {
  try {
    return await ask(path, { ...page(), ...more }, options);
  } catch (problem) {
    if (["past", "ahead", "over"].includes(problem.code)) go();
    if (["elsewhere", "blocked", "paused", "not-open"].includes(problem.code)) look();
    throw problem;
  }
}

/** On to the next step, once all that was noted here is stored; what can't be is claimed, and comes later. */
export async function advance(more = {}) {
  await Promise.race([recorder.delivered(), sleep(3000)]);
  await send("advance", { recorders: recorder.numbered(), ...more });
  go();
}

export const finish = () => send("finish", { recorders: recorder.numbered() });

// ── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const left = () => (clock?.left === null || clock?.left === undefined ? null : clock.left - (clock.paused ? 0 : (performance.now() - clock.at) / 1000));
let timeUp = () => {};
/** Call `act` when a hard stop comes, again until the page is left. */
export function onTimeUp(act) {
  timeUp = act;
}

function clockWords(seconds) {
  if (seconds <= 0) return "Time is up";
  if (seconds > 5 * 60) return `${Math.ceil(seconds / 60)} min left`;
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} left`;
}

let ending = 0;
function tick() {
  setTimeout(tick, 1000 - (Date.now() % 1000));
  const box = byId("study-clock");
  const seconds = left();
  if (!box || seconds === null) return;
  const words = clockWords(seconds);
  box.hidden = false;
  if (box.textContent !== words) box.textContent = words;
  box.dataset.state = seconds <= 0 ? "over" : clock.warn ? "warn" : "run";
  if (clock.warn && !warned && seconds > 0) {
    warned = true;
    announce(`${plural(Math.max(1, Math.round(seconds / 60)), "minute is", "minutes are")} left for this step.`);
  }
  if (seconds <= 0 && clock.hard_stop && !leaving && !clock.paused && Date.now() - ending > 4000) {
    ending = Date.now();
    timeUp();
  }
}

// ── A window that is too narrow ────────────────────────────────────────────────────────────────────────────────────

/** The desk has to look the same for everyone; a page of text only says what is to come. */
function narrow() {
  const tooNarrow = innerWidth < NARROWEST;
  const words = `The study is made for a window at least ${NARROWEST.toLocaleString("en")} pixels wide; this one has ${innerWidth.toLocaleString("en")}. Make it wider, or zoom out with Ctrl and minus.`;
  const line = byId("study-width");
  if (line) {
    line.hidden = !tooNarrow;
    line.textContent = words;
  }
  if (!data.draft) return;
  if (tooNarrow && !covering) cover("narrow", "Please make the window wider", [words, "What you wrote is kept, and this note goes away by itself."]);
  else if (tooNarrow && covering === "narrow") block.querySelector("p").textContent = words;
  else if (!tooNarrow) uncover("narrow");
}

// ── Stopping ───────────────────────────────────────────────────────────────────────────────────────────────────────

function askToStop() {
  const dialog = byId("study-dialog");
  const trouble = el("p", { class: "message bad", role: "alert", hidden: true });
  const stop = async (keep) => {
    try {
      showReceipt(await post("/api/study/withdraw", { keep }));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      trouble.hidden = false;
      trouble.textContent = problem.sentence;
    }
  };
  dialog.replaceChildren(
    el("h2", { id: "study-dialog-heading" }, "Stop taking part?"),
    el("p", {}, "You may stop at any time, without a reason. Choose what happens to what was kept so far."),
    trouble,
    el("div", { class: "study-choices" },
      button("Go on with the study", () => dialog.close()),
      button("Stop, and let it be used", () => stop(true), false),
      el("button", { class: "button danger", type: "button", onclick: () => stop(false) }, "Stop, and erase all of it")));
  dialog.showModal();
}

async function showReceipt({ code, kind }) {
  leaving = true;
  const erased = kind === "withdrawn-erase";
  document.body.replaceChildren(el("main", { class: "plain-page", tabindex: "-1" },
    el("h1", {}, erased ? "It is erased" : "You have stopped taking part"),
    el("p", {}, erased ? "Every text, keystroke and answer of yours was deleted from the study." : "What was kept so far may be used. Nothing more is kept."),
    el("p", {}, "Your receipt is ", el("b", { class: "study-code-word" }, code), ". Write it down if you want to ask about it later."),
    el("p", { class: "dim" }, "You may close this window.")));
  document.querySelector("main").focus();
  await forget();
  await post("/api/study/leave").catch(() => {});
}

/** Nothing more is asked or told. */
export function end() {
  leaving = true;
}
