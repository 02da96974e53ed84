// A session played back from its log: scrubber, speed, filter, jump to an event. Nothing here changes anything stored.
import { get } from "./api.js";
import { announce, byId, el, icon, isTyping, svg } from "./dom.js";
import { AXES, KIND_WORDS, kindOf, plural } from "./words.js";

const SPEEDS = [1, 2, 5, 10, 50, 200];
/** Milliseconds without an event that are passed over, and what is left of them before the next. */
const IDLE = 3000;
const LEAD = 400;
/** Events of the list that are drawn, before and after the present one. */
const BEFORE = 60;
const AFTER = 140;
/** Milliseconds for which a paragraph shows that it was just changed. */
const FRESH = 4000;
const MAP = { width: 480, height: 480, edge: 40 };

const GROUPS = {
  main: ["Main events", (type) => !/^(text\.|node\.hovered|canvas\.|focus\.|page\.|copy|paste|version\.placed|generation\.(started|first_token))/.test(type)],
  all: ["Everything", () => true],
  typing: ["Typing", (type) => /^(text\.|copy|paste)/.test(type)],
  versions: ["Versions", (type) => /^(version\.|candidate\.|step\.(undone|redone))/.test(type)],
  model: ["The model", (type) => /^(generation\.|candidate\.|label\.|muse\.)/.test(type)],
  looking: ["Looking", (type) => /^(node\.|versions\.|canvas\.|history\.|focus\.|page\.)/.test(type)],
};

const root = byId("replay");
let feed = null;
let seen = null; // what stands at `time`
let time = 0;
let index = 0; // events up to here, not including it, are applied
let playing = false;
let last = 0;
let group = "main";
let listed = []; // indices of the events that the filter shows
const parts = {};

// ── state ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const blank = () => ({ title: "", order: [], heads: {}, canvas: {}, status: {}, archived: {}, texts: {}, changed: {}, range: null, open: null });

function apply(state, event) {
  const { change, t } = event;
  if (change.title !== undefined) state.title = change.title;
  if (change.order) state.order = change.order;
  for (const name of ["canvas", "status", "archived"]) Object.assign(state[name], change[name]);
  for (const [paragraph, version] of Object.entries(change.heads ?? {})) {
    state.heads[paragraph] = version;
    const text = feed.versions[version]?.text ?? "";
    if (state.texts[paragraph] !== text) state.changed[paragraph] = t;
    state.texts[paragraph] = text;
  }
  if (change.edit) {
    const [paragraph, at, gone, text] = change.edit;
    const before = state.texts[paragraph] ?? "";
    state.texts[paragraph] = before.slice(0, at) + text + before.slice(at + gone);
    state.changed[paragraph] = t;
  }
  if (change.open) state.open = change.open;
}

/** Go to a moment; backwards is from the beginning again. */
function seek(to) {
  time = Math.max(0, Math.min(to, feed.lasted));
  if (index > 0 && feed.events[index - 1].t > time) {
    seen = blank();
    index = 0;
  }
  while (index < feed.events.length && feed.events[index].t <= time) apply(seen, feed.events[index++]);
  draw();
}

/** Go to just after an event. */
function jump(to) {
  if (to < 0 || to >= feed.events.length) return;
  if (to + 1 < index) {
    seen = blank();
    index = 0;
  }
  while (index <= to) apply(seen, feed.events[index++]);
  time = feed.events[to].t;
  draw();
}

function step(by) {
  stop();
  const at = index - 1;
  const next = by > 0 ? listed.find((i) => i > at) : listed.findLast((i) => i < at);
  if (next === undefined) return;
  jump(next);
  announce(`${clock(feed.events[next].t)}: ${feed.events[next].words}`);
}

// ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const two = (number) => String(number).padStart(2, "0");
const clock = (ms) => `${Math.floor(ms / 60000)}:${two(Math.floor(ms / 1000) % 60)}`;
const spoken = (ms) => `${plural(Math.floor(ms / 60000), "minute")} ${plural(Math.floor(ms / 1000) % 60, "second")}`;

function tick(now) {
  if (!playing) return;
  let to = time + (now - last) * Number(parts.speed.value);
  last = now;
  const next = feed.events[index]?.t;
  if (parts.skip.checked && next !== undefined && next - time > IDLE) to = Math.max(to, next - LEAD);
  seek(to);
  if (time >= feed.lasted) stop();
  else requestAnimationFrame(tick);
}

function play() {
  if (time >= feed.lasted) seek(0);
  playing = true;
  last = performance.now();
  dressPlay();
  requestAnimationFrame(tick);
}

function stop() {
  playing = false;
  dressPlay();
}

function dressPlay() {
  parts.play.replaceChildren(icon(playing ? "stop" : "play"), el("span", {}, playing ? "Stop" : "Play"));
  parts.play.setAttribute("aria-pressed", String(playing));
}

// ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────

function draw() {
  parts.range.value = String(Math.round(time));
  parts.range.setAttribute("aria-valuetext", `${spoken(time)} of ${spoken(feed.lasted)}`);
  parts.time.textContent = `${clock(time)} / ${clock(feed.lasted)}`;
  drawText();
  drawMap();
  drawEvents();
}

function drawText() {
  const paragraphs = seen.order.map((id) => {
    const confirmed = seen.status[seen.heads[id]] === "confirmed";
    const version = feed.versions[seen.heads[id]];
    const tag = confirmed ? `✓ version ${version.number}, confirmed` : "";
    const fresh = seen.changed[id] !== undefined && seen.changed[id] > 0 && time - seen.changed[id] < FRESH;
    return el("p", { class: [confirmed && "confirmed", fresh && "changed"].filter(Boolean).join(" ") || null, dir: "auto" },
      tag && el("span", { class: "tag" }, tag), seen.texts[id] ?? "");
  });
  parts.title.textContent = seen.title || "Draft";
  parts.text.replaceChildren(...(paragraphs.length ? paragraphs : [el("p", { class: "replay-empty" }, "There is no text yet.")]));
}

/** All that was ever measured, so that the map stands still. */
function bounds() {
  const places = Object.values(feed.versions).map((version) => version.at).filter(Boolean);
  const side = (axis) => {
    const values = places.map((place) => place[axis]);
    const low = Math.min(40, ...values);
    const high = Math.max(60, ...values);
    return [low - 4, high + 4];
  };
  return { x: side(0), y: side(1) };
}

function placed([x, y]) {
  const inner = MAP.width - 2 * MAP.edge;
  const along = (value, [low, high]) => MAP.edge + ((value - low) / (high - low)) * inner;
  return [along(x, parts.bounds.x), MAP.height - along(y, parts.bounds.y)];
}

function drawMap() {
  const some = Object.values(seen.canvas).some(Boolean);
  const heads = new Set(Object.values(seen.heads));
  const shown = Object.entries(feed.versions).filter(([id, version]) =>
    version.at && seen.status[id] && !seen.archived[id] && (seen.canvas[version.paragraph] || !some));
  // What stands in the draft lies on top.
  shown.sort(([a], [b]) => heads.has(a) - heads.has(b));
  const ids = new Set(shown.map(([id]) => id));
  const edges = shown.flatMap(([, version]) => version.parents.filter((parent) => ids.has(parent)).map((parent) => {
    const [x1, y1] = placed(feed.versions[parent].at);
    const [x2, y2] = placed(version.at);
    return svg("line", { class: "edge", x1, y1, x2, y2 });
  }));
  const dots = shown.map(([id, version]) => {
    const [x, y] = placed(version.at);
    const kind = kindOf({ ...version, status: seen.status[id] });
    const classes = ["dot", kind, heads.has(id) && "head", seen.open === id && "open"].filter(Boolean).join(" ");
    const node = svg("g", {});
    const title = svg("title", {});
    title.textContent = `Version ${version.number}, ${KIND_WORDS[kind]}`;
    const number = svg("text", { x, y, class: kind === "confirmed" ? "on-confirmed" : "" });
    number.textContent = kind === "confirmed" ? `✓${version.number}` : String(version.number);
    node.append(title, svg("circle", { class: classes, cx: x, cy: y, r: 12 }), number);
    return node;
  });
  parts.map.replaceChildren(...ground(), ...edges, ...dots);
  parts.map.setAttribute("aria-label", `Canvas with ${plural(shown.length, "version")}`);
  parts.note.hidden = some || !shown.length;
}

function ground() {
  const { x, y } = parts.bounds;
  const lines = [];
  for (let value = Math.ceil(x[0] / 10) * 10; value <= x[1]; value += 10) {
    const [at] = placed([value, 50]);
    lines.push(svg("line", { class: value === 50 ? "mid" : "grid", x1: at, x2: at, y1: 0, y2: MAP.height }));
  }
  for (let value = Math.ceil(y[0] / 10) * 10; value <= y[1]; value += 10) {
    const [, at] = placed([50, value]);
    lines.push(svg("line", { class: value === 50 ? "mid" : "grid", x1: 0, x2: MAP.width, y1: at, y2: at }));
  }
  const across = svg("text", { class: "x", x: MAP.width / 2, y: MAP.height - 14 });
  across.textContent = `${AXES.x.name} →`;
  const up = svg("text", { class: "y", x: 14, y: MAP.height / 2, transform: `rotate(-90 14 ${MAP.height / 2})` });
  up.textContent = `${AXES.y.name} →`;
  return [...lines, across, up];
}

function drawEvents() {
  const at = index - 1;
  const now = listed.findLastIndex((i) => i <= at);
  if (parts.drawn?.now === now && parts.drawn.group === group) return;
  parts.drawn = { now, group };
  const from = Math.max(0, now - BEFORE);
  const rows = listed.slice(from, now + AFTER).map((i) => {
    const event = feed.events[i];
    const current = listed[now] === i;
    return el("li", {}, el("button", {
      type: "button", class: i > at ? "later" : null, "aria-current": current ? "step" : null, title: feed.kinds[event.type],
      data: { index: i, key: `e${i}` },
    }, el("span", { class: "when" }, clock(event.t)), el("span", {}, event.words)));
  });
  const focused = parts.list.contains(document.activeElement);
  parts.list.replaceChildren(...(rows.length ? rows : [el("li", { class: "replay-empty" }, "No event of this kind. Choose another filter above.")]));
  const current = parts.list.querySelector("[aria-current]");
  if (!current) return;
  parts.list.scrollTop = current.offsetTop - parts.list.offsetTop - parts.list.clientHeight / 3;
  if (focused) current.focus({ preventScroll: true });
}

function filter() {
  group = parts.filter.value;
  const wanted = GROUPS[group][1];
  listed = feed.events.flatMap((event, i) => (wanted(event.type) ? [i] : []));
  parts.count.textContent = plural(listed.length, "event");
  drawEvents();
}

/** Where along the time the model was asked and versions were confirmed. */
function ticks() {
  const line = svg("svg", { viewBox: "0 0 1000 12", preserveAspectRatio: "none", "aria-hidden": "true" });
  const marks = { "generation.created": "model", "version.confirmed": "confirmed" };
  for (const event of feed.events) {
    if (!marks[event.type]) continue;
    const x = feed.lasted ? (event.t / feed.lasted) * 1000 : 0;
    line.append(svg("line", { class: `tick ${marks[event.type]}`, x1: x, x2: x, y1: 0, y2: 12, "vector-effect": "non-scaling-stroke" }));
  }
  return line;
}

// ── building ───────────────────────────────────────────────────────────────────────────────────────────────────────

function build() {
  parts.bounds = bounds();
  parts.play = el("button", { type: "button", class: "button", onclick: () => (playing ? stop() : play()) });
  const back = el("button", { type: "button", class: "quiet", "aria-label": "Event before", title: "Event before (←)", onclick: () => step(-1) }, "←");
  const on = el("button", { type: "button", class: "quiet", "aria-label": "Next event", title: "Next event (→)", onclick: () => step(1) }, "→");
  parts.range = el("input", { type: "range", min: 0, max: Math.max(1, feed.lasted), step: 1, "aria-label": "Time in the session", oninput: () => { stop(); seek(Number(parts.range.value)); } });
  parts.time = el("span", { class: "replay-time" });
  parts.speed = el("select", { "aria-label": "Speed" }, SPEEDS.map((speed) => el("option", { value: speed, selected: speed === 5 }, `${speed} ×`)));
  parts.skip = el("input", { type: "checkbox", checked: true });
  parts.filter = el("select", { "aria-label": "Which events", onchange: filter }, Object.entries(GROUPS).map(([key, [name]]) => el("option", { value: key }, name)));
  parts.count = el("span", { class: "dim" });
  parts.title = el("h2", {});
  parts.text = el("div", { class: "replay-text", tabindex: 0, role: "group", "aria-label": "Text of the draft" });
  parts.map = svg("svg", { class: "replay-map", viewBox: `0 0 ${MAP.width} ${MAP.height}`, role: "img" });
  parts.note = el("p", { class: "replay-note", hidden: true }, "Nothing was on the participant’s canvas; these are the places that were measured.");
  parts.list = el("ol", { class: "replay-events", "aria-label": "Events", onclick: ({ target }) => {
    const chosen = target.closest("button");
    if (chosen) { stop(); jump(Number(chosen.dataset.index)); }
  } });
  root.replaceChildren(
    verdict(),
    el("div", { class: "replay-bar", role: "group", "aria-label": "Playing" },
      el("div", { class: "replay-buttons" }, parts.play, back, on),
      el("div", { class: "replay-line" }, ticks(), parts.range),
      parts.time,
      el("div", { class: "replay-options" },
        el("label", {}, "Speed", parts.speed),
        el("label", {}, parts.skip, "Pass over times without an event"),
        el("span", { class: "dim" }, "Space plays and stops; ← and → go from event to event. Purple marks are confirmations, grey ones requests to the model."))),
    el("div", { class: "replay-panes" },
      el("section", { class: "replay-pane" }, el("header", {}, parts.title), parts.text),
      el("section", { class: "replay-pane" }, el("header", {}, el("h2", {}, "Canvas")), parts.map, parts.note),
      el("section", { class: "replay-pane" }, el("header", {}, el("h2", {}, "Events"), parts.count, parts.filter), parts.list)),
  );
  dressPlay();
  seen = blank();
  filter();
  seek(0);
}

function verdict() {
  if (feed.findings.length) {
    return el("div", { class: "told bad", role: "alert" }, el("p", {}, "The log does not lead to what is stored. Don’t use this session before that is explained."),
      el("ul", {}, feed.findings.map((finding) => el("li", {}, finding))));
  }
  const { saves, agree } = feed.typing;
  const typed = saves ? ` In ${agree} of ${plural(saves, "save")} of typing, the keystrokes alone give the text that was saved.` : "";
  return el("p", { class: "hint" }, `Told again from its ${plural(feed.events.length, "event")}, the session ends as it is stored.${typed}`);
}

document.addEventListener("keydown", (event) => {
  if (!feed || event.ctrlKey || event.metaKey || event.altKey) return;
  const onControl = isTyping(event.target) || event.target.closest("button, a, summary");
  if (event.key === " " && !onControl) {
    event.preventDefault();
    playing ? stop() : play();
  } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !isTyping(event.target)) {
    event.preventDefault();
    step(event.key === "ArrowLeft" ? -1 : 1);
  }
});

async function start() {
  try {
    feed = await get(root.dataset.feed);
  } catch (problem) {
    root.replaceChildren(el("p", { class: "told bad", role: "alert" }, problem.body?.detail ?? "The session can’t be read now. Reload the page to try again."));
    return;
  }
  if (!feed.events.length) {
    root.replaceChildren(el("p", { class: "lead" }, "Nothing happened in this session yet. Come back when the participant has written something."));
    return;
  }
  build();
}

start();
