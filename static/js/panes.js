// Three panes side by side; in a narrow window, tabs.
import { byId } from "./dom.js";
import * as store from "./store.js";

const desk = () => document.querySelector(".desk");

export function showPane(name) {
  if (store.state.ui.pane !== name) store.setUi({ pane: name });
}

export function start() {
  const tabs = [...document.querySelectorAll(".tabs button")];
  for (const button of tabs) button.addEventListener("click", () => showPane(button.dataset.pane));
  store.on("ui", () => {
    desk().dataset.pane = store.state.ui.pane;
    for (const button of tabs) {
      if (button.dataset.pane === store.state.ui.pane) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  });
  byId("draft").addEventListener("focusin", () => {
    if (store.state.ui.pane !== "draft" && getComputedStyle(document.querySelector(".tabs")).display === "none") showPane("draft");
  });
}
