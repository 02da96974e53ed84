// Questions: each answer is stored as it is given, so that a reload finds it. What is not stored yet is sent again.
import { Problem } from "../api.js";
import { byId } from "../dom.js";
import * as session from "./session.js";

const TYPING = 700;
const AGAIN = 3000;
const light = byId("study-save");
const waiting = new Map(); // question's name → {instrument, item, value}
let timer = 0;
let sending = null;

const questions = () => document.querySelectorAll(".item");
const problemOf = (question) => question.querySelector(".item-problem");

function say(state) {
  light.hidden = false;
  light.dataset.state = state;
  light.textContent = { saved: "Saved", saving: "Saving…", unsaved: "Not saved yet: trying again" }[state];
}

/** A number, a text, a list of texts; null while it is not answered; undefined when a number is not one. */
function valueOf(question) {
  const checked = [...question.querySelectorAll("input:checked")].map((box) => box.value);
  const field = question.querySelector("input[type=range], input[type=number], textarea");
  switch (question.dataset.kind) {
    case "scale": return "blank" in field.dataset ? null : Number(field.value);
    case "number": return field.value === "" ? (field.validity.badInput ? undefined : null) : Number(field.value);
    case "likert": return checked.length ? Number(checked[0]) : null;
    case "choices": return checked;
    case "text": return field.value.toWellFormed().replaceAll("\0", "");
    default: return checked[0] ?? null;
  }
}

function take(question, delay) {
  const value = valueOf(question);
  const problem = problemOf(question);
  problem.hidden = true;
  question.removeAttribute("data-wrong");
  if (!document.querySelector("[data-wrong]")) byId("study-trouble").hidden = true;
  if (value === undefined) {
    mark(question, "Write a number.");
    return;
  }
  const instrument = question.closest("[data-instrument]").dataset.instrument;
  waiting.set(question.id, { instrument, item: question.dataset.item, value });
  say("saving");
  clearTimeout(timer);
  timer = setTimeout(send, delay);
}

function mark(question, words) {
  const problem = problemOf(question);
  problem.textContent = words;
  problem.hidden = false;
  question.dataset.wrong = "true";
}

/** Show what the server says is wrong, and go to the first of it. */
export function show(wrong) {
  let first = null;
  for (const { instrument, item, problem } of wrong) {
    const question = byId(`item-${instrument}.${item}`);
    if (!question) continue;
    mark(question, problem);
    first ??= question;
  }
  first?.scrollIntoView({ block: "center" });
  first?.querySelector("input, textarea")?.focus({ preventScroll: true });
}

async function send() {
  clearTimeout(timer);
  if (sending) return sending;
  if (!waiting.size) return true;
  sending = deliver();
  const done = await sending;
  sending = null;
  if (done && waiting.size) return send();
  return done;
}

async function deliver() {
  await session.ready;
  const batch = new Map(waiting);
  waiting.clear();
  try {
    await session.send("answers", { answers: [...batch.values()] });
    if (!waiting.size) say("saved");
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 422) {
      // What is wrong has to be changed by the person; the rest goes on its way.
      const wrong = new Set((problem.body.wrong ?? []).map(({ instrument, item }) => `item-${instrument}.${item}`));
      show(problem.body.wrong ?? []);
      if (wrong.size) for (const [id, answer] of batch) if (!wrong.has(id) && !waiting.has(id)) waiting.set(id, answer);
      return wrong.size > 0;
    }
    for (const [id, answer] of batch) if (!waiting.has(id)) waiting.set(id, answer);
    say("unsaved");
    timer = setTimeout(send, AGAIN);
    return false;
  }
}

/** Resolves to whether every answer is stored. */
export const settled = () => send();

/** Answered before this script had come, or put back by the browser after a reload: it is not stored yet. */
const isAhead = (question) => [...question.querySelectorAll("input, textarea")].some((field) =>
  (["radio", "checkbox"].includes(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue));

export function start() {
  for (const question of questions()) {
    const field = question.querySelector("input[type=range]");
    if (isAhead(question)) {
      if (field) delete field.dataset.blank;
      take(question, 0);
    }
    if (field) {
      // An untouched slider is no answer, wherever its thumb would stand.
      const touch = () => { delete field.dataset.blank; };
      field.addEventListener("pointerdown", touch);
      field.addEventListener("pointerup", () => take(question, 200));
      field.addEventListener("keydown", (event) => {
        if (![" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"].includes(event.key)) return;
        touch();
        take(question, 400);
      });
    }
    question.addEventListener("input", () => {
      if (field) delete field.dataset.blank;
      take(question, question.dataset.kind === "text" || question.dataset.kind === "number" ? TYPING : 200);
    });
  }
  addEventListener("beforeunload", (event) => { if (waiting.size) event.preventDefault(); });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") send(); });
}
