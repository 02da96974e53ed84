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
  return version.status === "proposed" ? "proposed" : "original";
}

export const KIND_WORDS = {
  original: "original", typed: "typed by hand", proposed: "proposed", confirmed: "confirmed", discarded: "discarded",
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
  goal: () => "the goal",
  source: () => "the sources",
};

function along(delta, high) {
  if (Math.abs(delta) < STILL) return { words: `as ${high}`, moved: 0 };
  const much = Math.abs(delta) >= LARGE ? "much " : "";
  return { words: delta > 0 ? `${much}more ${high}` : `${much}less ${high}`, moved: Math.sign(delta) };
}

/** The move from parent to child, in words, with the direction of each part; null when either is not measured. */
export function moveParts(child, parent) {
  if (!child?.placement || !parent?.placement) return null;
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

const FLAGS = {
  moved: "", "wrong-way": "moved the other way", still: "hardly moved", "not-moved": "hardly moved",
  "lost-number": "a number is lost", "lost-name": "a name is lost", "lost-unit": "a unit is lost",
  "lost-citation": "a citation is lost", "lost-hedge": "a hedge is lost", "new-number": "a new number",
  "new-name": "a new name", "new-claim": "a new claim", "new-citation": "a new citation",
};

/** Flags that ask for the writer's attention, in words. */
export const flagWords = (flags = []) =>
  [...new Set(flags.map((flag) => FLAGS[flag] ?? flag.replaceAll("-", " ")))].filter(Boolean);

export function ago(iso) {
  const minutes = Math.round((Date.now() - Date.parse(iso)) / 60000);
  if (!(minutes >= 1)) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.round(minutes / 60)} h ago`;
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** A short beginning of a text, cut between words. */
export function beginning(text, length = 60) {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= length ? flat : `${flat.slice(0, length).replace(/\s+\S*$/, "")}…`;
}
