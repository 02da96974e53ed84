// The drafts that this browser has shown in studies, so that nothing of them stays in it when the study is over.
import * as disk from "../disk.js";

const NAME = "study-drafts";

function known() {
  try {
    return JSON.parse(localStorage.getItem(NAME) ?? "[]");
  } catch {
    return [];
  }
}

export function remember(id) {
  try {
    localStorage.setItem(NAME, JSON.stringify([...new Set([...known(), id])]));
  } catch {
    // Where nothing can be stored, nothing stays.
  }
}

export async function forget() {
  await disk.forget(known());
  try {
    localStorage.removeItem(NAME);
    sessionStorage.clear();
  } catch {
    // As above.
  }
}
