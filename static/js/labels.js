// Labels under the canvas: verbs with an arrow that points where they push; strategies open under a label.
import { byId, el, icon } from "./dom.js";
import { press, whyNot } from "./generations.js";
import { menuButton, pinned } from "./prompts.js";
import { openSources } from "./sources.js";
import * as store from "./store.js";

const { state } = store;
const root = () => byId("labels");
let openMenu = null; // {pop, button}
let why = null;
let own = null;

function glyph([x, y]) {
  const node = icon("arrow");
  // Screen angles run downwards; a label without a direction is measured, whatever it does.
  if (x || y) node.style.transform = `rotate(${(-Math.atan2(y, x) * 180) / Math.PI}deg)`;
  node.style.setProperty("--push", `var(--${direction([x, y])})`);
  return node;
}

const direction = ([x, y]) => (Math.abs(x) > Math.abs(y) ? "engagement" : "exposition");

const AIM = (words, value) => (value > 1 ? `much more ${words}` : value > 0 ? `more ${words}` : value < 0 ? `less ${words}` : "");
const aimWords = ([x, y]) => [AIM("thorough", y), AIM("gripping", x)].filter(Boolean).join(", ");

const arming = (label) => ({
  onpointerenter: () => { if (!whyNot()) store.arm(label); },
  onpointerleave: () => store.arm(null),
  onfocus: () => { if (!whyNot()) store.arm(label); },
  onblur: () => store.arm(null),
});

/** The labels a number key reaches, in the order they stand. */
export const numbered = () => state.labels.groups.filter((group) => group.id !== "any").flatMap((group) => group.labels);

function labelRow(label) {
  const key = numbered().indexOf(label) + 1;
  const more = el("button", {
    class: "more", type: "button", "aria-expanded": "false", "aria-label": `Strategies of ${label.name}`, title: "Strategies",
    onclick: () => toggleMenu(label, more),
  }, icon("caret"));
  return el("li", {},
    el("button", {
      class: "label press", type: "button", "aria-describedby": "labels-why", data: { label: label.id },
      title: [label.hint, aimWords(label.push), key && key <= 10 ? `Key ${key % 10}` : ""].filter(Boolean).join(" · "),
      onclick: () => press(label.id), ...arming(label),
    }, glyph(label.push), label.name),
    label.strategies.length > 1 ? more : null);
}

function toggleMenu(label, button) {
  const same = openMenu?.button === button;
  closeMenu();
  if (same) return;
  const why = whyNot();
  const pop = el("div", { class: "pop strategies", role: "group", "aria-label": `Strategies of ${label.name}` },
    el("p", {}, why || label.hint || `One of these instead of all: ${aimWords(label.push)}.`),
    label.strategies.map((strategy) => {
      const lacking = strategy.source && !state.sources.length;
      const choose = () => (lacking ? openSources() : press(label.id, { strategy: strategy.id }));
      return el("button", {
        type: "button", class: lacking ? null : "press", "aria-disabled": why && !lacking ? "true" : null, data: { strategy: strategy.id },
        onclick: () => { closeMenu(); button.focus(); choose(); }, ...arming(label),
      }, strategy.name, lacking ? el("span", { class: "dim" }, " · needs a source: attach one") : "");
    }));
  pop.addEventListener("keydown", (event) => {
    const items = [...pop.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      closeMenu();
      button.focus();
    }
  });
  // After its label in the page, so that Tab goes into it; fixed, so that no scrolling pane cuts it off.
  button.after(pop);
  const at = button.getBoundingClientRect();
  const box = pop.getBoundingClientRect();
  pop.style.position = "fixed";
  pop.style.left = `${Math.max(8, Math.min(at.right - box.width, innerWidth - box.width - 8))}px`;
  pop.style.top = `${at.top - box.height - 4 > 8 ? at.top - box.height - 4 : at.bottom + 4}px`;
  button.setAttribute("aria-expanded", "true");
  openMenu = { pop, button };
  pop.querySelector("button")?.focus();
}

function closeMenu() {
  if (!openMenu) return;
  openMenu.pop.remove();
  openMenu.button.setAttribute("aria-expanded", "false");
  openMenu = null;
  store.arm(null);
}

/** The prompts that the writer has pinned, as labels. */
function ownGroup(free) {
  const mine = free ? pinned() : [];
  if (!mine.length) return null;
  return el("section", { class: "label-group", "aria-label": "Yours" }, el("h3", {}, "Yours"),
    el("ul", {}, mine.map((prompt) => el("li", {}, el("button", {
      class: "label press", type: "button", "aria-describedby": "labels-why", data: { prompt: prompt.id }, title: prompt.text,
      onclick: () => press(free.id, { prompt: prompt.text }),
    }, icon("measure"), el("span", { class: "label-words", dir: "auto" }, prompt.name))))));
}

function build() {
  closeMenu();
  const typed = own?.value ?? "";
  why = el("p", { class: "labels-why", id: "labels-why" });
  const groups = state.labels.groups.filter((group) => group.id !== "any" && group.labels.length);
  const free = state.labels.groups.find((group) => group.id === "any")?.labels[0];
  own = el("input", {
    type: "text", dir: "auto", maxlength: "2000", autocomplete: "off", "aria-label": "Your own prompt",
    placeholder: "Your own prompt: what should change?", "aria-describedby": "labels-why", value: typed,
  });
  const form = el("form", {
    class: "own",
    onsubmit: (event) => {
      event.preventDefault();
      const prompt = own.value.trim();
      if (!prompt || whyNot()) { own.focus(); return; }
      press(free.id, { prompt });
      own.value = "";
    },
  }, own, menuButton(own), el("button", { class: "button press", type: "submit", "aria-describedby": "labels-why" }, "Write"));
  root().replaceChildren(why,
    el("div", { class: "label-groups" }, groups.map((group) => el("section", { class: "label-group", "aria-label": group.name },
      el("h3", {}, group.name), el("ul", {}, group.labels.map(labelRow)))), ownGroup(free)),
    free ? form : "");
  refresh();
}

/** Only the writer's own labels change; the field and what is open beside it stay. */
function renewOwn() {
  const groups = root().querySelector(".label-groups");
  if (!groups) return;
  const free = state.labels.groups.find((group) => group.id === "any")?.labels[0];
  groups.querySelector("[aria-label=Yours]")?.remove();
  const group = ownGroup(free);
  if (group) groups.append(group);
  refresh();
}

function refresh() {
  if (!why) return;
  const reason = whyNot();
  const number = state.paragraph ? store.numberOf(state.paragraph) : 0;
  const version = store.versionOf(state.selected);
  const what = version && !store.isHead(version) ? `version ${version.number} of paragraph ${number}` : `paragraph ${number}`;
  const text = reason || `For ${what}: what does it need?`;
  if (why.textContent !== text) why.textContent = text;
  for (const button of root().querySelectorAll(".press")) {
    if (reason) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
}

export function start() {
  store.on("labels", build);
  store.on("prompts", renewOwn);
  store.on("selection model draft text versions", refresh);
  addEventListener("pointerdown", (event) => {
    if (openMenu && !openMenu.pop.contains(event.target) && !openMenu.button.contains(event.target)) closeMenu();
  });
  addEventListener("resize", closeMenu);
}
