// The page of tuned layers: the writer's switch, what writes now, and what there is to choose from.
import { get, post, Problem } from "./api.js";
import { announce, byId, el, redraw } from "./dom.js";
import { switchRow } from "./switch.js";
import { ago, CONSENT_WORDS, plural } from "./words.js";

const EVERY = 5000;
const CONTENDERS = [["untuned", "Untuned"], ["in_service", "Then in service"], ["candidate", "This layer"]];
let view = null;
let trouble = "";
let busy = ""; // what was pressed and is not answered yet
let shown = "";

/** A refusal is told in its own words; nothing was changed by it. */
async function attempt(key, work, said) {
  if (busy) return;
  [busy, trouble] = [key, ""];
  draw();
  try {
    await work();
    view = await get("/api/learn");
    announce(said);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    trouble = `This was not changed. ${problem.sentence}`;
  }
  busy = "";
  draw();
}

const setConsent = async (given) => {
  view.consent = given;
  await attempt("consent", () => post("/api/learn/consent", { given }), given ? "Learning is on." : "Learning is off; nothing of yours is used from now on.");
  if (trouble) view.consent = !given;
  draw();
};
const choose = (choice, key, said) => attempt(key, () => post("/api/learn/service", { choice }), said);

function consent() {
  return el("section", { "aria-labelledby": "consent-heading" },
    el("h2", { id: "consent-heading" }, "Your choices"),
    switchRow({ on: view.consent, key: "consent", change: setConsent }),
    el("p", { class: "dim" }, CONSENT_WORDS),
    el("p", {}, view.mine
      ? `You have discarded ${plural(view.mine, "version")} beside one that you confirmed.`
      : "You have not yet discarded a version beside one that you confirmed: of the versions of one press of a label, confirm the good one and discard the others."));
}

// ── What writes ────────────────────────────────────────────────────────────────────────────────────────────────────

const serves = (id) => view.ready && view.in_service === id;

function row({ id, title, about, verdict, details, current, action }) {
  return el("li", { class: "layer", "aria-current": current ? "true" : null, data: { layer: id } },
    el("div", {},
      el("h3", {}, title, current ? el("span", { class: "in-service" }, "in service") : null),
      el("p", { class: "dim" }, about),
      verdict ? el("p", { class: "verdict", data: { kind: verdict.kind } }, verdict.words) : null),
    action ?? el("span"),
    details);
}

function button(words, name, key, press) {
  const allowed = !view.fixed && view.ready && !busy;
  return el("button", {
    class: "button", type: "button", data: { key }, "aria-label": `${words}: ${name}`,
    "aria-disabled": allowed ? null : "true", title: allowed || busy ? null : view.fixed || "The model is still loading.",
    onclick: () => { if (allowed) press(); },
  }, busy === key ? "One moment…" : words);
}

function plainRow() {
  const current = serves(null);
  return row({
    id: "off", title: "The untuned model", about: "As it was published, without any layer.", current,
    action: current ? null : button("Put in service", "the untuned model", "serve-off", () => choose("off", "serve-off", "The untuned model is in service.")),
  });
}

function shippedRow() {
  if (!view.ships) return null;
  const current = view.choice === "default" && view.ready && view.in_service !== null;
  return row({
    id: "default", title: "The layer that comes with it", about: "Tuned by its makers on the model’s own answers, graded by reading.", current,
    action: current ? null : button("Put in service", "the layer that comes with it", "serve-default", () => choose("default", "serve-default", "The layer that comes with the model is in service.")),
  });
}

function layerRow(layer) {
  const current = serves(layer.tuned_id);
  const name = `layer ${layer.tuned_id}`;
  const action = current
    ? button("Take back", name, `back-${layer.tuned_id}`, () => choose("default", `back-${layer.tuned_id}`, `${name} is taken back.`))
    : layer.fits ? button("Put in service", name, `serve-${layer.tuned_id}`, () => choose(layer.tuned_id, `serve-${layer.tuned_id}`, `${name} is in service.`)) : null;
  const from = layer.started_from ? `, on top of ${layer.started_from}` : "";
  return row({
    id: layer.tuned_id, current, action, verdict: layer.verdict,
    title: el("span", {}, "Layer ", el("code", {}, layer.tuned_id)),
    about: `Learnt ${ago(layer.made_at)} from ${plural(layer.pairs, "pair")} of a confirmed and a discarded version${from}; block ${layer.block}, ${plural(layer.steps, "step")}.${layer.fits ? "" : " It was tuned on another model, so it can’t write here."}`,
    details: scorecard(layer.scorecard, layer.tuned_id),
  });
}

const nats = (value) => value.toFixed(3).replace("-", "−");

function scorecard(card, id) {
  if (!card?.strategies) return null;
  const contenders = CONTENDERS.filter(([name]) => card[name]);
  const line = (title, it) => el("tr", {}, el("th", { scope: "row" }, title), el("td", {}, it.pairs),
    contenders.map(([name]) => [el("td", {}, `${Math.round(100 * it[name].accuracy)} %`), el("td", {}, nats(it[name].margin))]));
  const { mean, low, high } = card.gain;
  return el("details", { data: { key: `card-${id}` } },
    el("summary", {}, "Scorecard"),
    el("p", { class: "dim" }, `On ${plural(card.pairs, "pair")} of ${plural(card.paragraphs, "paragraph")} it had not seen: how often the confirmed version is the likelier, and by how many nats a token. Gain over what was in service: ${nats(mean)} nats (95 % interval ${nats(low)} to ${nats(high)}).`),
    el("div", { class: "scores-scroll", tabindex: "0", role: "region", "aria-label": `Scorecard of layer ${id}` },
      el("table", { class: "scores" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Strategy"), el("th", { scope: "col" }, "Pairs"),
          contenders.map(([, title]) => [el("th", { scope: "col" }, `${title}: right`), el("th", { scope: "col" }, "margin")]))),
        el("tbody", {}, line("All", card), Object.entries(card.strategies).map(([strategy, it]) => line(view.names[strategy] ?? strategy, it))))));
}

function service() {
  return el("section", { "aria-labelledby": "service-heading" },
    el("h2", { id: "service-heading", tabindex: "-1" }, "What writes"),
    view.fixed ? el("p", { class: "message" }, view.fixed) : null,
    view.problem ? el("p", { class: "message bad", role: "alert" }, `What was chosen does not write. ${view.problem}`) : null,
    view.ready ? null : el("p", { class: "message" }, "The model is still loading, or can’t be loaded; the editor says which."),
    el("p", { class: "dim" }, "A click takes effect at once, for every writer on this server. Each version notes the layer that wrote it; where versions stand on the canvas never depends on it."),
    el("ul", { "aria-label": "Layers" }, view.layers.map(layerRow), shippedRow(), plainRow()));
}

function tuning() {
  return el("section", { "aria-labelledby": "tuning-heading" },
    el("h2", { id: "tuning-heading" }, "Tuning another layer"),
    el("p", {}, view.lack ?? `${plural(view.shared, "discarded version")} beside a confirmed one, of writers who let the model learn: enough to tune a layer.`),
    el("p", {}, "Tuning is started on the machine itself and gives way to writing:"),
    el("code", { class: "command", tabindex: "0" }, "spatialbalancing learn tune"),
    el("p", { class: "dim" }, "The new layer appears here with its scorecard, and does not write before it is put in service."));
}

// ── The page ───────────────────────────────────────────────────────────────────────────────────────────────────────

function draw() {
  const root = byId("learn");
  root.setAttribute("aria-busy", String(!view));
  shown = JSON.stringify(view);
  redraw(root,
    trouble ? el("p", { class: "message bad", role: "alert" }, trouble) : null,
    view ? [consent(), service(), tuning()] : el("button", { class: "button", type: "button", onclick: load }, "Try again"));
}

async function load() {
  try {
    view = await get("/api/learn");
    if (trouble.startsWith("This page")) trouble = "";
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    trouble = `This page can’t be filled just now. ${problem.sentence}`;
    draw();
    return;
  }
  if (JSON.stringify(view) !== shown) draw();
}

await load();
setInterval(() => { if (!busy && document.visibilityState === "visible") load(); }, EVERY);
