// The one switch of its kind: whether the model may learn from what this writer confirms.
import { el } from "./dom.js";

/** `on` is null while it is not known. */
export function switchRow({ on, key, change }) {
  const input = el("input", {
    type: "checkbox", role: "switch", data: { key }, disabled: on === null,
    onchange: () => change(input.checked),
  });
  input.checked = on === true;
  return el("label", { class: "switch" }, input, el("span", { class: "switch-track", "aria-hidden": "true" }), el("span", {}, "Let this machine’s model learn from what I confirm"));
}
