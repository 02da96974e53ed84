// Follow the system, or light, or dark; one button goes round.
import { byId, icon } from "./dom.js";

const ROUND = { auto: "light", light: "dark", dark: "auto" };
const LOOK = { auto: ["auto", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

const now = () => document.documentElement.dataset.theme ?? "auto";

function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  dispatchEvent(new Event("themechange"));
}

function dress() {
  const [name, words] = LOOK[now()];
  const button = byId("theme");
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", `Theme: ${words}. Change to ${LOOK[ROUND[now()]][1]}.`);
  button.title = `Theme: ${words}`;
}

export function start() {
  dress();
  byId("theme").addEventListener("click", () => {
    apply(ROUND[now()]);
    dress();
  });
}
