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
    request.onsuccess = () => {
      // The browser may close it (storage cleared, a newer page): the next use opens it anew.
      request.result.onclose = lost;
      request.result.onversionchange = () => { request.result.close(); lost(); };
      resolve(request.result);
    };
    request.onerror = refuse;
    request.onblocked = refuse;
  });
  return opening;
}

const lost = () => { opening = null; };

/** Run `work(name => store)` in one transaction; resolves once it is on disk, or `durable` is false. */
async function write(names, work) {
  const database = await open();
  if (!database) return;
  try {
    await new Promise((resolve, reject) => {
      const transaction = database.transaction(names, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      work((name) => transaction.objectStore(name));
    });
  } catch {
    // Saving goes on from memory: a browser that stores nothing must not keep text from the server.
    durable = false;
    lost();
  }
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
  try {
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
  } finally {
    lane.writing = null;
  }
}

/** Everything queued is written. */
export const flushed = () => Promise.all([...queues.values()].map((lane) => lane.writing));

export const change = write;
export const put = (store, record) => write([store], (at) => at(store).put(record));
export const erase = (store, key) => write([store], (at) => at(store).delete(key));

/** All that this browser keeps of these drafts. */
export async function forget(drafts) {
  await flushed();
  const about = {
    edits: (it) => drafts.includes(it.draft),
    flights: (it) => drafts.includes(it.draft),
    events: (it) => drafts.includes(it.event.draft_id),
    notes: (it) => drafts.some((id) => it.key.includes(id)),
  };
  for (const [name, belongs] of Object.entries(about)) {
    const keys = (await all(name)).filter(belongs).map((it) => [STORES[name]].flat().map((part) => it[part]));
    await write([name], (at) => { for (const key of keys) at(name).delete(key.length > 1 ? key : key[0]); });
  }
}

export async function all(store) {
  return (await ask(store, (at) => at.getAll())) ?? [];
}

export async function read(store, key) {
  return ask(store, (at) => at.get(key));
}

/** Undefined when it can't be read. */
async function ask(store, question) {
  const database = await open();
  if (!database) return undefined;
  try {
    return await new Promise((resolve, reject) => {
      const request = question(database.transaction([store], "readonly").objectStore(store));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    lost();
    return undefined;
  }
}
