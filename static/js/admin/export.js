// How far an export is, while the browser downloads it. Each needs a key of its own.
import { get } from "../api.js";
import { announce, byId, sleep, uuid } from "../dom.js";

const link = byId("export");
let following = false;

link.addEventListener("click", () => {
  if (following) return;
  following = true;
  const progress = link.dataset.progress;
  byId("export-told").hidden = false;
  follow(progress);
  setTimeout(() => {
    const key = uuid();
    link.href = link.getAttribute("href").replace(/[^/]+\.zip$/, `${key}.zip`);
    link.dataset.progress = progress.replace(/[^/]+\.json$/, `${key}.json`);
  }, 500);
});

async function follow(path) {
  const words = byId("export-words");
  const bar = byId("export-bar");
  for (let misses = 0; misses < 10;) {
    await sleep(500);
    let run;
    try {
      run = await get(path);
    } catch {
      misses += 1;
      continue;
    }
    bar.value = run.total ? run.done / run.total : run.state === "done" ? 1 : 0;
    const size = `${(run.bytes / 1e6).toFixed(1)} MB`;
    if (run.state === "running") words.textContent = `Writing: ${run.done.toLocaleString()} of ${run.total.toLocaleString()} rows of the log, ${size} so far.`;
    if (run.state === "done") words.textContent = `Whole: ${size}. Its manifest is in it.`;
    if (run.state === "failed") words.textContent = "The export broke off. Export it again; what came has no manifest.";
    if (run.state !== "running") {
      announce(words.textContent);
      break;
    }
  }
  following = false;
}
