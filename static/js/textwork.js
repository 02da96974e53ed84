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
  for (let from = 0; from < removed.length; from += size) found.push({ at, removed: removed.slice(from, from + size), inserted: "" });
  for (let from = 0; from < inserted.length; from += size) found.push({ at: at + from, removed: "", inserted: inserted.slice(from, from + size) });
  if (removed.length <= size && inserted.length <= size) return [{ at, removed, inserted }];
  return found;
}

const isHighSurrogate = (text, at) => (text.charCodeAt(at) & 0xfc00) === 0xd800;
const isLowSurrogate = (text, at) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** Join two paragraphs: a sentence's end gets a space after it, else nothing is added. */
export function join(left, right) {
  const gap = /[.!?…:;,”"')\]]$/.test(left) && /^\S/.test(right) ? " " : "";
  return { text: left + gap + right, caret: left.length + gap.length };
}

export const countWords = (text) => (text.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*/gu) || []).length;
