// Small tools for building the page. Text always goes in as text nodes; nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, `on…` listeners, `data` and children; empty children are skipped. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

// 16 × 16 strokes, drawn for this page.
const PATHS = {
  check: "M3 8.5l3.5 3.5L13 4.5",
  play: "M5 3.500l7 4.500-7 4.500z",
  pencil: "M3 13l.6-2.8L10.700 3.100a1.300 1.300 0 0 1 1.800 0l.4.4a1.300 1.300 0 0 1 0 1.800L5.800 12.400z",
  cross: "M4 4l8 8M12 4l-8 8",
  stop: "M4.500 4.500h7v7h-7z",
  caret: "M4 6.500l4 4 4-4",
  plus: "M8 3.500v9M3.500 8h9",
  minus: "M3.500 8h9",
  fit: "M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3",
  numbers: "M6 3L4.500 13M11.500 3L10 13M3 6.200h10.500M2.500 9.800H13",
  eye: "M1.500 8S4 3.800 8 3.800 14.500 8 14.500 8 12 12.200 8 12.200 1.500 8 1.500 8zM8 9.800a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600z",
  in: "M8 2.500v7.500M4.800 7L8 10.200 11.200 7M2.500 13.500h11",
  out: "M8 10.500V3M4.800 6L8 2.800 11.200 6M2.500 13.500h11",
  drafts: "M4.500 2.500h7v11h-7zM6.500 5.500h3M6.500 8h3",
  sun: "M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600zM8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7",
  moon: "M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z",
  auto: "M8 2.500a5.500 5.500 0 1 0 0 11zM8 2.500a5.500 5.500 0 0 1 0 11",
  help: "M5.800 6a2.200 2.200 0 1 1 3.300 1.900c-.8.5-1.100.9-1.100 1.800M8 12.200v.3",
  arrow: "M2.500 8h10.500M9 4l4 4-4 4",
  combine: "M3 3.500v2.500c0 2 5 2 5 4v3M13 3.500v2.500c0 2-5 2-5 4M5.800 10.800L8 13l2.200-2.200",
  measure: "M3 8h10M5.500 5.500L3 8l2.500 2.500M10.500 5.500L13 8l-2.500 2.500",
  source: "M4 2.500h5.500L12.500 5.500v8H4zM9.500 2.500v3h3M6 8h4.500M6 10.500h4.500",
  goal: "M2.500 5V2.500H5M11 2.500h2.500V5M13.500 11v2.500H11M5 13.500H2.500V11M8 6.500a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3z",
  muse: "M6 11.500h4M6.500 13.500h3M6 11.500c0-1.600-2-2.600-2-5a4 4 0 0 1 8 0c0 2.400-2 3.400-2 5",
  pin: "M8 14.500V9.500M8 1.500a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  box: "M2.500 3.500h11v3h-11zM3.500 6.500v6.500h9V6.500M6.500 9h3",
  undo: "M6 3L2.500 6.500 6 10M2.500 6.500H10a3.500 3.500 0 0 1 0 7H6.500",
  redo: "M10 3l3.500 3.500L10 10M13.500 6.500H6a3.500 3.500 0 0 0 0 7h3.500",
  bin: "M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.6 8.500h5.800l.6-8.500",
};

/** A line icon; it is decoration, its button carries the name. */
export function icon(name, attributes = {}) {
  const node = svg("svg", {
    viewBox: "0 0 16 16", class: "icon", fill: "none", stroke: "currentColor",
    "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true", ...attributes,
  });
  node.append(svg("path", { d: PATHS[name] }));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Replace what stands in `parent`, keeping keyboard focus and scroll on elements that name themselves with data-key. */
export function redraw(parent, ...children) {
  const active = document.activeElement;
  const key = parent.contains(active) ? active.dataset.key : null;
  const open = new Set([...parent.querySelectorAll("details[open][data-key]")].map((node) => node.dataset.key));
  parent.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const node of parent.querySelectorAll("details[data-key]")) if (open.has(node.dataset.key)) node.open = true;
  if (!key) return;
  // What was pressed may be gone with what it did; then the heading of what stands there now takes the focus.
  const again = parent.querySelector(`[data-key="${CSS.escape(key)}"]`) ?? parent.querySelector("[tabindex='-1']");
  again?.focus({ preventScroll: true });
}

/** randomUUID exists in secure contexts only; a desk on a local network is served over plain HTTP. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

let clearing = 0;
let said = { text: "", at: 0 };
/** Say something to a screen reader, politely; what follows within a second is said after it, not instead of it. */
export function announce(text) {
  const region = byId("live");
  const now = performance.now();
  said = { text: now - said.at < 1000 && said.text !== text ? `${said.text} ${text}` : text, at: now };
  region.textContent = "";
  clearTimeout(clearing);
  clearing = setTimeout(() => { region.textContent = said.text; }, 50);
}

export const isTyping = (target) =>
  target instanceof Element && target.matches("textarea, input:not([type=checkbox]), select, [contenteditable]");
