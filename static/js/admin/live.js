// The monitor: asked for every two seconds, and only what changed is changed on the page.
import { get } from "../api.js";
import { announce, byId, el, sleep } from "../dom.js";

const EVERY = 2000;
const rows = byId("rows");
const shown = new Map();

/** Put text in only where it differs: a screen reader and a selection are left alone. */
function say(node, text, kind = "") {
  if (node.textContent !== text) node.textContent = text;
  if (node.className !== kind) node.className = kind;
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = `${Math.floor((s % 3600) / 60)}:${String(s % 60).padStart(2, "0")}`;
  return s < 3600 ? minutes : `${Math.floor(s / 3600)}:${minutes.padStart(5, "0")}`;
}

const STATES = { invited: "not come yet", finished: "finished", withdrawn: "withdrawn", active: "" };

function makeRow(person) {
  const cell = (kind = "") => el("td", { class: kind });
  const code = el("a", { href: `/admin/participants/${person.id}` }, person.code);
  const who = el("span", { class: "who" }, code);
  const step = el("span"), stepSub = el("span", { class: "sub" });
  const condition = el("span"), conditionSub = el("span", { class: "sub" });
  const last = el("span"), lastSub = el("span", { class: "sub" });
  const spent = cell("num"), left = cell("num"), acts = cell("acts");
  const pause = el("button", { class: "quiet", type: "button", onclick: () => askPause(person) }, "Pause");
  const resume = el("form", { method: "post", action: `/admin/participants/${person.id}/resume` },
    el("input", { type: "hidden", name: "back", value: rows.dataset.back }),
    el("button", { class: "quiet", type: "submit", "aria-label": `Resume ${person.code}` }, "Resume"));
  pause.setAttribute("aria-label", `Pause ${person.code}`);
  acts.append(pause, resume);
  const node = el("tr", {}, el("td", {}, who), el("td", {}, step, stepSub), el("td", {}, condition, conditionSub), spent, left, el("td", {}, last, lastSub), acts);
  return { node, step, stepSub, condition, conditionSub, spent, left, last, lastSub, pause, resume };
}

function timeLeft(at) {
  if (at.left === null) return ["–", "num"];
  if (at.paused !== null) return [span(at.left), "num"];
  if (at.left <= 0) return [`over by ${span(-at.left)}`, "num late"];
  return [span(at.left), at.warn ? "num soon" : "num"];
}

function fill(row, person) {
  const { at } = person;
  const away = person.state === "active" && !person.online;
  const kind = [person.state === "active" ? "" : "faint", away ? "away" : ""].filter(Boolean).join(" ");
  if (row.node.className !== kind) row.node.className = kind;
  const marks = [person.kind === "person" ? "" : person.kind, person.excluded ? "excluded" : "", person.notes ? `${person.notes} note${person.notes > 1 ? "s" : ""}` : ""].filter(Boolean);
  say(row.step, at ? at.title : STATES[person.state] || "between steps");
  const where = at ? [`${person.number + 1} of ${person.of}`, at.attempt > 1 ? `try ${at.attempt}` : "", at.paused !== null ? `paused: ${at.paused}` : "", at.blocked ? "stopped by a reload" : ""] : [];
  say(row.stepSub, [...where, ...marks].filter(Boolean).join(", "), at && (at.paused !== null || at.blocked) ? "sub soon" : "sub");
  say(row.condition, at?.condition ?? "–");
  say(row.conditionSub, at?.topic ?? "", "sub");
  say(row.spent, at ? span(at.spent) : "–", "num");
  say(row.left, ...(at ? timeLeft(at) : ["–", "num"]));
  say(row.last, person.last ? person.last.type.replaceAll(/[._]/g, " ") : "–");
  say(row.lastSub, person.last ? `${span(person.last.ago)} ago` : "", "sub");
  row.pause.hidden = !at || at.paused !== null;
  row.resume.hidden = !at || at.paused === null;
}

function draw(snapshot) {
  rows.closest("table").hidden = snapshot.participants.length === 0;
  const here = new Set();
  // Who is at it stands first, then who is to come, then who is through.
  const order = { active: 0, invited: 1, finished: 2, withdrawn: 3 };
  const people = [...snapshot.participants].sort((a, b) => order[a.state] - order[b.state]);
  people.forEach((person, index) => {
    here.add(person.id);
    if (!shown.has(person.id)) shown.set(person.id, makeRow(person));
    const row = shown.get(person.id);
    fill(row, person);
    if (rows.children[index] !== row.node) rows.insertBefore(row.node, rows.children[index] ?? null);
  });
  for (const [id, row] of shown) if (!here.has(id)) { row.node.remove(); shown.delete(id); }
  health(snapshot);
}

function field(name, text, kind = "") {
  const node = byId("health").querySelector(`[data-field="${name}"]`);
  say(node, text, kind || (node.classList.contains("num") ? "num" : ""));
}

let told = "";
function health({ model, disk, participants }) {
  const words = { ready: "ready", loading: "loading", error: "not ready" };
  field("model", words[model.status] ?? model.status, model.status === "error" ? "out" : model.status === "loading" ? "low" : "");
  field("running", String(model.queue.running));
  field("waiting", String(model.queue.waiting));
  field("disk", `${(disk.free / 1e9).toFixed(1)} GB`, disk.state === "ok" ? "" : disk.state);
  field("active", String(participants.filter((p) => p.state === "active").length));
  field("finished", String(participants.filter((p) => p.state === "finished").length));
  const problem = model.problem ?? model.scorer?.problem;
  const trouble = [
    problem ? `${problem.detail} ${problem.mend}` : "",
    disk.state === "out" ? "The disk is almost full: nothing more may be kept soon. Free some space now." : disk.state === "low" ? "There is little space left on the disk." : "",
  ].filter(Boolean).join(" ");
  const node = byId("trouble");
  node.hidden = !trouble;
  say(node, trouble, "told bad");
  if (trouble && trouble !== told) announce(trouble);
  told = trouble;
}

// ── pausing ──

const dialog = byId("pause-dialog");
function askPause(person) {
  byId("pause-form").action = `/admin/participants/${person.id}/pause`;
  byId("pause-heading").textContent = `Pause ${person.code}`;
  dialog.showModal();
}
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());

// ── again and again ──

const fresh = byId("fresh");
let failing = false;
async function look() {
  try {
    draw(await get(rows.dataset.url, { seconds: 10 }));
    say(fresh, "refreshes by itself", "dim");
    failing = false;
  } catch (error) {
    const words = error.status === 401 ? "Signed out. Reload the page and sign in." : "The server does not answer; trying again.";
    say(fresh, words, "dim");
    if (!failing) announce(words);
    failing = true;
  }
}
draw(JSON.parse(byId("snapshot").textContent));
say(fresh, "refreshes by itself", "dim");
for (;;) {
  await sleep(EVERY);
  if (!document.hidden) await look();
}
