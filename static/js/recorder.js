// The writing session's log: numbered here, stored here, sent at most once a second until the server has it.
import { post } from "./api.js";
import * as disk from "./disk.js";
import { sleep } from "./dom.js";
import { state } from "./store.js";
import { claim, ifGone, tab } from "./tabs.js";
import { fitting } from "./textwork.js";

const EVERY = 1000;
const BATCH = 200;
const MOST_BYTES = 500_000; // the server takes a million in one request
const LAST_BYTES = 50_000; // what may outlive the page: the browser allows 64 KB
/** Our own recorder is named like the tab, so that the next tab can tell whether we are still here. */
const recorder = tab;

let seq = 0;
let refused = 0;
let waiting = []; // not acknowledged, in order
let timer = 0;
let wait = EVERY;
let sending = false;

/** Note that something happened. `payload` has the fields of the event's type. */
export function record(type, payload = {}) {
  const event = { seq: ++seq, client_ms: Date.now(), type, ...(state.draft ? { draft_id: state.draft.id } : {}), ...payload };
  waiting.push(event);
  disk.queue("events", [recorder, seq], { recorder, seq, event });
  arm();
}

/** How many events this page has numbered, by its recorder; those that the server refused are not among them. */
export const numbered = () => (seq > refused ? { [recorder]: seq - refused } : {});

/** Resolves once all that was noted so far is stored. */
export async function delivered() {
  const upTo = seq;
  while (waiting.length && waiting[0].seq <= upTo) {
    clearTimeout(timer);
    await send();
    if (waiting.length && waiting[0].seq <= upTo) await sleep(200);
  }
}

function arm() {
  if (!timer && waiting.length) timer = setTimeout(send, wait);
}

async function send() {
  timer = 0;
  if (sending || !waiting.length) return;
  sending = true;
  const batch = fitting(waiting, MOST_BYTES, BATCH);
  try {
    await deliver(recorder, batch);
    waiting.splice(0, batch.length);
    wait = EVERY;
  } catch {
    wait = Math.min(wait * 2, 30000);
  } finally {
    sending = false;
    arm();
  }
}

/**
 * An answer means that the whole batch is stored. A refused one is halved until only the event that is refused by
 * itself is lost, or it would block all that follows; the hole it leaves stays a hole.
 */
async function deliver(name, events) {
  try {
    await post("/api/events", { recorder: name, events }, { seconds: 15 });
  } catch (problem) {
    if (!(problem.status >= 400 && problem.status < 500) || [401, 403, 408, 429].includes(problem.status)) throw problem;
    if (events.length > 1) {
      const half = Math.ceil(events.length / 2);
      await deliver(name, events.slice(0, half));
      await deliver(name, events.slice(half));
      return;
    }
    if (name === recorder) refused += 1;
    console.error("The log refused an event.", problem.body);
  }
  erase(name, events.at(-1).seq);
}

async function erase(name, upTo) {
  await disk.flushed();
  await disk.erase("events", IDBKeyRange.bound([name, 0], [name, upTo]));
}

/** Start recording, and deliver what closed tabs left behind. */
export async function start() {
  await claim();
  const left = new Map();
  for (const { recorder: name, event } of await disk.all("events")) {
    if (name !== recorder) left.set(name, [...(left.get(name) || []), event]);
  }
  for (const [name, events] of left) {
    await ifGone(name, async () => {
      try {
        for (let rest = events; rest.length;) {
          const batch = fitting(rest, MOST_BYTES, BATCH);
          await deliver(name, batch);
          rest = rest.slice(batch.length);
        }
      } catch {
        // They stay on the disk for the next page.
      }
    });
  }
}

addEventListener("online", () => { wait = EVERY; arm(); });
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "hidden") return;
  record("page.hidden");
  // The page may never come back: hand over what fits into a last request.
  const events = fitting(waiting, LAST_BYTES, 100);
  post("/api/events", { recorder, events }, { keepalive: true, seconds: 0 })
    .then(() => erase(recorder, events.at(-1).seq))
    .catch(() => {});
});
addEventListener("blur", () => record("focus.lost"));
addEventListener("focus", () => record("focus.gained"));
