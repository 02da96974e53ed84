// What the interface calls things. A writer reads words; numbers come only when asked for.

export const AXES = {
  x: { name: "Narrative engagement", low: "plain", high: "gripping" },
  y: { name: "Scientific exposition", low: "thin", high: "thorough" },
};

export const CORNERS = { tl: "lecture", tr: "illuminating", bl: "memo", br: "campfire tale" };

/** Below this, in canvas units (ten are one standard deviation), a move is not worth a word. */
const STILL = 1;
const LARGE = 6;

/** How a node looks and what it is called. */
export function kindOf(version) {
  if (version.status === "confirmed") return "confirmed";
  if (version.status === "discarded") return "discarded";
  if (version.operation === "manual") return "typed";
  if (version.operation === "combine") return "combined";
  return version.status === "proposed" ? "proposed" : "original";
}

export const KIND_WORDS = {
  original: "original", typed: "typed by hand", proposed: "proposed", combined: "combined", confirmed: "confirmed", discarded: "discarded",
};

/** What Undo and Redo name. `version` and `paragraph` are words like “version 4” and “paragraph 2”. */
export const STEP_WORDS = {
  typing: ({ paragraph }) => `typing in ${paragraph || "the draft"}`,
  remove: () => "remove a paragraph",
  order: () => "the order of the paragraphs",
  place: ({ paragraph }) => `place ${paragraph || "paragraphs"} on the canvas`,
  unplace: ({ paragraph }) => `take ${paragraph || "paragraphs"} off the canvas`,
  rename: () => "rename the draft",
  confirm: ({ version, paragraph }) => `confirm ${version} of ${paragraph}`,
  discard: ({ version, paragraph }) => `discard ${version} of ${paragraph}`,
  restore: ({ version, paragraph }) => `restore ${version} of ${paragraph}`,
  archive: ({ version, paragraph, count }) => `archive ${count > 1 ? plural(count, "version") : version}${paragraph ? ` of ${paragraph}` : ""}`,
  unarchive: ({ version, paragraph }) => `bring back ${version} of ${paragraph}`,
  edit: ({ version, paragraph }) => `${version} of ${paragraph}, edited by hand`,
  label: ({ label, paragraph }) => `${label || "new versions"}, for ${paragraph}`,
  prompt: ({ paragraph }) => `your own prompt, for ${paragraph}`,
  combine: ({ paragraph }) => `combine versions of ${paragraph}`,
  correct: ({ version, paragraph }) => `the place of ${version} of ${paragraph}`,
  goal: () => "the goal",
  source: () => "the sources",
};

function along(delta, high) {
  if (Math.abs(delta) < STILL) return { words: `as ${high}`, moved: 0 };
  const much = Math.abs(delta) >= LARGE ? "much " : "";
  return { words: delta > 0 ? `${much}more ${high}` : `${much}less ${high}`, moved: Math.sign(delta) };
}

/** Whether two versions were placed by two scorers: then their points can't be compared. */
export const otherScales = (a, b) => Boolean(a?.placement && b?.placement && a.placement.scorer_id !== b.placement.scorer_id);

/** The move from parent to child, in words, with the direction of each part; null when either is not measured, or they
    were by two scorers. */
export function moveParts(child, parent) {
  if (!child?.placement || !parent?.placement || otherScales(child, parent)) return null;
  const x = along(child.placement.engagement - parent.placement.engagement, AXES.x.high);
  const y = along(child.placement.exposition - parent.placement.exposition, AXES.y.high);
  return { x, y };
}

export function moveWords(child, parent) {
  const parts = moveParts(child, parent);
  if (!parts) return "";
  if (!parts.x.moved && !parts.y.moved) return "hardly moved";
  return parts.x.moved || !parts.y.moved ? `${parts.x.words}, ${parts.y.words}` : `${parts.y.words}, ${parts.x.words}`;
}

/** Where a text stands, in words. */
export function placeWords(placement) {
  if (!placement) return "not measured yet";
  const word = (value, axis) => {
    if (value >= 60) return `very ${axis.high}`;
    if (value >= 53) return axis.high;
    if (value > 47) return `between ${axis.low} and ${axis.high}`;
    return value > 40 ? axis.low : `very ${axis.low}`;
  };
  return `${word(placement.exposition, AXES.y)}; ${word(placement.engagement, AXES.x)}`;
}

/** From this spread on a point says little. */
const VAGUE = 10;

/** How far a point may be off. */
export function spreadWords(spread) {
  const points = pointWords(Math.max(1, Math.round(spread)));
  return spread >= VAGUE ? `Very uncertain: give or take ${points}. Short texts, and texts in another language, are hard to place` : `Give or take ${points}`;
}

export const pointWords = (value) => { const rounded = Math.max(1, Math.round(value)); return `${rounded} ${rounded === 1 ? "point" : "points"}`; };

/** A move in points, in words: “about 6 points more gripping, 1 less thorough”. */
export function lengthWords({ engagement, exposition }) {
  const parts = [[engagement, AXES.x.high], [exposition, AXES.y.high]].filter(([value]) => Math.abs(value) >= 0.5).sort((a, b) => Math.abs(b[0]) - Math.abs(a[0]));
  return parts.map(([value, high], i) => {
    const size = Math.max(1, Math.round(Math.abs(value)));
    return `${i ? size : `about ${pointWords(size)}`} ${value > 0 ? "more" : "less"} ${high}`;
  }).join(", ") || "less than half a point";
}

/** What a reason is, for more and for less of it; the name is a strategy or feature of the scorer. `it` begins the words. */
const REASONS = {
  EXPL: [(it) => `${it} explains how something works`, (it) => `${it} explains little`],
  MAIN: [(it) => `${it} states a main finding`, (it) => `${it} states no finding`],
  IMPACT: [(it) => `${it} says what follows from it`, (it) => `${it} says nothing of what follows`],
  LEAD: [(it) => `${it} opens like the lead of a story`, (it) => `${it} does little to draw a reader in`],
  STORY: [(it) => `${it} tells a story`, (it) => `${it} tells no story`],
  PERSONAL: [(it) => `${it} brings in a person`, (it) => `${it} has nobody in it`],
  ANALOGY: [(it) => `${it} likens it to something known`, (it) => `${it} likens it to nothing`],
  // Of a feature: where its words are there (they follow), and where they are missing.
  jargon: [(it) => `${it} has rare words`, (it) => `${it} has no rare words`],
  grade: [(it) => `${it}: how long its words and clauses are`, (it) => `${it}: how long its words and clauses are`],
  numbers: [(it) => `${it} has numbers`, (it) => `${it} has no numbers`],
  measures: [(it) => `${it} has measured quantities`, (it) => `${it} has no measured quantities`],
  attribution: [(it) => `${it} says who says so`, (it) => `${it} doesn’t say who says so`],
  hedges: [(it) => `${it} is careful about what is certain`, (it) => `${it} doesn’t hedge`],
  definition: [(it) => `${it} says what something is`, (it) => `${it} defines nothing`],
  cause: [(it) => `${it} gives a cause`, (it) => `${it} gives no cause`],
  finding: [(it) => `${it} tells of a finding`, (it) => `${it} tells of no finding`],
  promise: [(it) => `${it} says what it may do for someone`, (it) => `${it} promises nothing`],
  person: [(it) => `${it} has people in it`, (it) => `${it} has nobody in it`],
  self: [(it) => `${it} says I or we`, (it) => `${it} says neither I nor we`],
  speech: [(it) => `${it} quotes somebody`, (it) => `${it} quotes nobody`],
  question: [(it) => `${it} asks a question`, (it) => `${it} asks nothing`],
  address: [(it) => `${it} speaks to the reader`, (it) => `${it} doesn’t speak to the reader`],
  comparison: [(it) => `${it} compares`, (it) => `${it} compares nothing`],
  scene: [(it) => `${it} names a time and a place`, (it) => `${it} names no time or place`],
  concrete: [(it) => `${it} has things one can picture`, (it) => `${it} has nothing one can picture`],
  exposition: [() => "More is explained than in an ordinary passage", () => "Less is explained than in an ordinary passage"],
  engagement: [() => "It grips more than an ordinary passage", () => "It grips less than an ordinary passage"],
};
const STRATEGY = /^[A-Z]+$|^exposition$|^engagement$/;
const MOST_EVIDENCE = 3;

export function reasonWords({ name, points, sentence, evidence }) {
  const it = sentence === null ? "It" : `Sentence ${sentence + 1}`;
  const less = STRATEGY.test(name) ? points < 0 : !evidence.length;
  const say = REASONS[name]?.[less ? 1 : 0] ?? (() => `${capital(name.toLowerCase().replaceAll(/[-_]/g, " "))}${sentence === null ? "" : ` in sentence ${sentence + 1}`}`);
  return say(it) + (evidence.length ? `: ${evidence.slice(0, MOST_EVIDENCE).join(", ")}` : "");
}

/** How far a text stands from a goal, and what it lacks; in points as well when `numbers` are shown. */
export function goalWords(placement, goal, numbers = false) {
  if (!placement || !goal) return "";
  const lack = (value, [low, high]) => (value < low ? low - value : Math.min(0, high - value));
  const x = lack(placement.engagement, goal.engagement);
  const y = lack(placement.exposition, goal.exposition);
  const away = Math.hypot(x, y);
  if (!away) return "inside the goal";
  const side = [y && (y > 0 ? "below" : "above"), x && (x > 0 ? "left of" : "right of")].filter(Boolean).join(" and ");
  const needs = [y && `${y > 0 ? "more" : "less"} exposition`, x && `${x > 0 ? "more" : "less"} engagement`].filter(Boolean).join(" and ");
  const how = away <= 3 ? "a little " : away >= 8 ? "far " : "";
  return `${how}${side} the goal${numbers ? ` by ${away.toFixed(1)} points` : ""}: needs ${needs}`;
}

const FLAGS = {
  "wrong-way": "moved the other way", "off-topic": "strays from the topic", "new-claim": "a new claim",
  "lost-numbers": "a number is lost", "lost-units": "a unit is lost", "lost-names": "a name is lost",
  "lost-citations": "a citation is lost", "lost-hedges": "a hedge is lost",
};

/** The flags of the claim ledger: facts that were lost, sentences that nothing supports. */
export const ledgerFlags = (flags = []) => flags.filter((flag) => flag.startsWith("lost-") || flag === "new-claim");

/** Flags that ask for the writer's attention, in words. */
export const flagWords = (flags = []) =>
  [...new Set(flags.map((flag) => FLAGS[flag] ?? flag.replaceAll("-", " ")))].filter(Boolean);

/** The mix of two versions: whose text it mostly is. `mix` is the share of the second. */
export function mixWords(mix, first, second) {
  if (mix <= 0) return `version ${first} as it is`;
  if (mix >= 1) return `version ${second} as it is`;
  if (mix < 0.45) return `${mix < 0.2 ? "almost all" : "mostly"} version ${first}`;
  if (mix > 0.55) return `${mix > 0.8 ? "almost all" : "mostly"} version ${second}`;
  return `as much of version ${first} as of version ${second}`;
}

/** Facts of all kinds in one list, each once. */
export const flatFacts = (facts) => [...new Set(["numbers", "units", "names", "citations", "hedges"].flatMap((kind) => facts?.[kind] || []))];

/** What the writer's switch for learning means. */
export const CONSENT_WORDS = "What you confirm, set against what you discard, may then tune a layer of the model on this machine; earlier choices count too. Switch it off, and nothing of yours is used from then on.";

export function ago(iso) {
  const minutes = Math.round((Date.now() - Date.parse(iso)) / 60000);
  if (!(minutes >= 1)) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.round(minutes / 60)} h ago`;
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** A short beginning of a text, cut between words. */
export function beginning(text, length = 60) {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= length ? flat : `${flat.slice(0, length).replace(/\s+\S*$/, "")}…`;
}
