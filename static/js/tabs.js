// Which tab wrote what: unsent work of a tab that has gone is adopted by the next one, never by two at once.
import { uuid } from "./dom.js";

const LOCK = "spatialbalancing-tab-";

/** A new name for each page load; the old one's work is adopted like any other closed tab's. */
export const tab = uuid();

let claiming = null;
/** Hold our own name for as long as the page lives. */
export function claim() {
  claiming ??= new Promise((resolve) => {
    if (!navigator.locks) {
      resolve();
      return;
    }
    navigator.locks.request(LOCK + tab, () => { resolve(); return new Promise(() => {}); });
  });
  return claiming;
}

/**
 * Run `adopt` when the named tab is gone: now, if it is (the promise tells when that is done), else once it closes. A
 * browser may take a second to let a closed tab's lock go, so asking once would miss it.
 */
export async function ifGone(name, adopt) {
  if (name === tab) return;
  if (!navigator.locks) {
    // Plain HTTP on a network has no locks; idempotency keys make a double delivery harmless.
    await adopt();
    return;
  }
  const now = await navigator.locks.request(LOCK + name, { ifAvailable: true }, async (lock) => {
    if (lock) await adopt();
    return Boolean(lock);
  });
  if (!now) navigator.locks.request(LOCK + name, adopt);
}
