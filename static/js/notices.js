// One line under the bar: what happened, what was kept, what to do.
import { byId, el, icon } from "./dom.js";

/** Show a notice; actions are [words, function] pairs. Gives the function that takes it away. */
export function notice(text, { bad = false, actions = [], seconds = bad ? 0 : 8 } = {}) {
  const region = byId("notices");
  // The same refusal twice is one line.
  for (const other of region.children) if (other.dataset.text === text) other.remove();
  const line = el("div", { class: bad ? "notice bad" : "notice", data: { text } },
    el("p", {}, text),
    actions.map(([words, act]) => el("button", { class: "button", type: "button", onclick: () => { line.remove(); act(); } }, words)),
    el("button", { class: "quiet only-icon", type: "button", "aria-label": "Dismiss", onclick: () => line.remove() }, icon("cross")));
  region.append(line);
  while (region.children.length > 3) region.firstElementChild.remove();
  if (seconds) setTimeout(() => line.remove(), seconds * 1000);
  return () => line.remove();
}
