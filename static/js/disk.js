// IndexedDB in four verbs, for the outbox and the recorder. Without IndexedDB everything lives in memory.
const NAME = "spatialbalancing";
const STORES = { edits: ["tab", "draft", "paragraph_id"], flights: ["tab", "draft"], events: ["recorder", "seq"], notes: "key" };

let opening = null;
/** False once this browser has refused to store: then leaving the page must warn. */
export let durable = true;

function open() {
  opening ??= new Promise((resolve) => {
    const refuse = () => { durable = false; resolve(null); };
    let request;
    try {
      request = indexedDB.open(NAME, 1);
    } catch {
      refuse();
      return;
    }
    request.onupgradeneeded = () => {
      for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = refuse;
    request.onblocked = refuse;
  });
  return opening;
}

/** Run `work(name => store)` in one transaction; resolves once it is on disk. */
async function write(names, work) {
  const database = await open();
  if (!database) return;
  await new Promise((resolve) => {
    const transaction = database.transaction(names, "readwrite");
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => { durable = false; resolve(); };
    work((name) => transaction.objectStore(name));
  });
}

const queues = new Map(); // store → {waiting: Map(key → record or null), writing}

/**
 * Put (or with null erase) soon: a burst of typing is a few transactions, each with the newest of every record, not
 * one a letter. Resolves when all that waited is written.
 */
export function queue(store, key, record) {
  if (!queues.has(store)) queues.set(store, { waiting: new Map(), writing: null });
  const lane = queues.get(store);
  lane.waiting.set(JSON.stringify(key), { key, record });
  lane.writing ??= drain(store, lane);
  return lane.writing;
}

async function drain(store, lane) {
  while (lane.waiting.size) {
    const batch = [...lane.waiting.values()];
    lane.waiting.clear();
    await write([store], (at) => {
      for (const { key, record } of batch) {
        if (record) at(store).put(record);
        else at(store).delete(key);
      }
    });
  }
  lane.writing = null;
}

/** Everything queued is written. */
export const flushed = () => Promise.all([...queues.values()].map((lane) => lane.writing));

export const change = write;
export const put = (store, record) => write([store], (at) => at(store).put(record));
export const erase = (store, key) => write([store], (at) => at(store).delete(key));

export async function all(store) {
  const database = await open();
  if (!database) return [];
  return new Promise((resolve) => {
    const request = database.transaction([store], "readonly").objectStore(store).getAll();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve([]);
  });
}

export async function read(store, key) {
  const database = await open();
  if (!database) return undefined;
  return new Promise((resolve) => {
    const request = database.transaction([store], "readonly").objectStore(store).get(key);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(undefined);
  });
}
