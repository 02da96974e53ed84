// Slope plots, drawn as they come into view, in the colours of the theme that is on.
import { byId, el } from "../dom.js";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };
const plots = [...document.querySelectorAll(".plot")];
const drawn = new Set();
const figures = JSON.parse(byId("figures").textContent);

function token(name) {
  const probe = el("i", { hidden: true });
  document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** "token:accent" becomes the colour that the token has now. */
function painted(part) {
  if (Array.isArray(part)) return part.map(painted);
  if (part && typeof part === "object") return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, painted(value)]));
  return typeof part === "string" && part.startsWith("token:") ? token(part.slice(6)) : part;
}

function draw(node) {
  const figure = figures[node.dataset.measure];
  if (!figure) return;
  const { data, layout } = painted(figure);
  window.Plotly.react(node, data, layout, CONFIG);
  drawn.add(node);
}

async function start() {
  if (plots.length === 0) return;
  const library = new Promise((resolve, reject) => {
    const script = el("script", { src: `/vendor/plotly.min.js?v=${document.body.dataset.plotly}` });
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  try {
    await library;
  } catch {
    for (const node of plots) node.replaceChildren(el("p", { class: "dim" }, "The plot can’t be drawn now. Reload the page to try again."));
    return;
  }
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { draw(entry.target); watch.unobserve(entry.target); }
  }, { rootMargin: "400px" });
  for (const node of plots) watch.observe(node);
  const again = () => { for (const node of drawn) draw(node); };
  addEventListener("themechange", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

start();
