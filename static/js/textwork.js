// Pure functions on text and carets, for the editor.

/** Blank lines part paragraphs; what is inside one stays as it is. */
export const paragraphsIn = (text) =>
  text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").split(/\n[^\S\n]*\n\s*/).map((part) => part.replace(/^\n+|\n+$/g, "")).filter((part) => part.trim());

/** What one edit did: where, what went, what came. Never cuts a surrogate pair. */
export function edit(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  if (start > 0 && isHighSurrogate(before, start - 1)) start -= 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  if (end > 0 && isLowSurrogate(before, before.length - end)) end -= 1;
  return { at: start, removed: before.slice(start, before.length - end), inserted: after.slice(start, after.length - end) };
}

/** A very large edit as several, each small enough for the log; done one after another they come to the same. */
export function pieces({ at, removed, inserted }, size = 100_000) {
  const found = [];
  if (removed.length <= size && inserted.length <= size) return [{ at, removed, inserted }];
  const cut = (text, from) => Math.min(text.length, from + size - (isHighSurrogate(text, from + size - 1) ? 1 : 0));
  for (let from = 0, to; from < removed.length; from = to) {
    to = cut(removed, from);
    found.push({ at, removed: removed.slice(from, to), inserted: "" });
  }
  for (let from = 0, to; from < inserted.length; from = to) {
    to = cut(inserted, from);
    found.push({ at: at + from, removed: "", inserted: inserted.slice(from, to) });
  }
  return found;
}

/** What a value takes in a request. */
export const bytes = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

/** The first of `items` that one request may carry: so many, and so many bytes, but never none. */
export function fitting(items, most, count) {
  let sum = 0;
  let fits = 0;
  while (fits < Math.min(items.length, count) && (sum += bytes(items[fits])) <= most) fits += 1;
  return items.slice(0, Math.max(fits, 1));
}

const isHighSurrogate = (text, at) => (text.charCodeAt(at) & 0xfc00) === 0xd800;
const isLowSurrogate = (text, at) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** Join two paragraphs: a sentence's end gets a space after it, else nothing is added. */
export function join(left, right) {
  const gap = /[.!?…:;,”"')\]]$/.test(left) && /^\S/.test(right) ? " " : "";
  return { text: left + gap + right, caret: left.length + gap.length };
}

const COMMON = new Set(
  ("about above after again against almost along already also although always among another around because been before began being "
  + "below between both called came cannot could does done down during each either enough even ever every find first five form four from further gave give given "
  + "goes going have having here however into itself just kind know known later least less like likely long made make many means might more most much must near need never next often once only onto other others over own part perhaps quite rather really said same seem several shall should show shows shown since some still such take taken than that their them then there these they thing think this those though three through thus time together toward under until upon used using very want were what when where whether which while whole whose will with within without work would year years your yours").split(" "),
);

/** Up to `most` words that tell this text from `others`: often here, in few of them (tf-idf, Spärck Jones 1972). */
export function keywords(text, others, most = 2) {
  const words = (it) => (it.match(/\p{L}[\p{L}\p{M}-]{3,}/gu) || []).filter((word) => !COMMON.has(word.toLowerCase()));
  const found = new Map(); // in lower case → as first written, how often
  for (const word of words(text)) {
    const key = word.toLowerCase();
    found.set(key, { word: found.get(key)?.word ?? word, count: (found.get(key)?.count ?? 0) + 1 });
  }
  const sets = others.map((other) => new Set(words(other).map((word) => word.toLowerCase())));
  const weight = (key) => found.get(key).count * Math.log((1 + sets.length) / (0.5 + sets.filter((set) => set.has(key)).length));
  return [...found.keys()].sort((a, b) => weight(b) - weight(a)).slice(0, most).map((key) => found.get(key).word);
}

/** As the server counts them: what white space parts. */
export const countWords = (text) => text.split(/\s+/).filter(Boolean).length;
