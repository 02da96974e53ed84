// What the marks on the canvas mean, for whoever asks.
import { el, icon, svg } from "./dom.js";

const node = (kind, head, badge) => el("span", { class: "node mini", data: { kind, head } }, "1", badge ? el("span", { class: "badge" }, icon(badge, { "stroke-width": 2.5 })) : "");

function drawing(...parts) {
  const picture = svg("svg", { class: "legend-picture overlay", width: 40, height: 24, viewBox: "0 0 40 24" });
  picture.append(...parts);
  return picture;
}

const MARKS = [
  [() => node("original", true), "the paragraph’s text in the draft (dark)"],
  [() => node("typed", false, "pencil"), "typed by hand"],
  [() => node("proposed", false), "proposed by the model"],
  [() => node("combined", false, "combine"), "made of two versions"],
  [() => node("confirmed", true, "check"), "confirmed"],
  [() => node("discarded", false, "cross"), "discarded"],
  [() => drawing(svg("circle", { class: "halo", cx: 20, cy: 12, r: 11 })), "halo: how far the point may be off; the wider, the less sure"],
  [() => drawing(svg("line", { class: "corrected-line", x1: 9, y1: 12, x2: 34, y2: 12 }), svg("circle", { class: "measured-ghost", cx: 9, cy: 12, r: 7 }), svg("circle", { class: "legend-dot", cx: 34, cy: 12, r: 4 })),
    "where it measures (hollow), and where you put it"],
  [() => { const it = node("original", false); it.dataset.earlier = "true"; return it; }, "placed by an earlier scale (dashed ring)"],
];

let pop = null;

/** Open or close it beside `button`. */
export function toggle(button) {
  if (pop) {
    close(button);
    return;
  }
  pop = el("div", { class: "legend", role: "group", tabindex: "-1", "aria-label": "What the marks mean", onkeydown: (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close(button);
    button.focus();
  } }, el("ul", {}, MARKS.map(([picture, words]) => el("li", {}, el("span", { class: "legend-mark", "aria-hidden": "true" }, picture()), words))));
  button.closest(".frame").append(pop);
  button.setAttribute("aria-expanded", "true");
  pop.focus();
  addEventListener("pointerdown", away);
  function away(event) {
    if (!pop) removeEventListener("pointerdown", away);
    else if (!pop.contains(event.target) && !button.contains(event.target)) close(button);
  }
}

function close(button) {
  pop?.remove();
  pop = null;
  button.setAttribute("aria-expanded", "false");
}
