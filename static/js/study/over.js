// The end: nothing of the participant's text stays in this browser, and on request not even the way back to the code.
import { post } from "../api.js";
import { byId } from "../dom.js";
import { forget } from "./drafts.js";

/** Whoever wrote in this browser before the study has their desk back. */
export async function leave() {
  await forget();
  await post("/api/study/leave").catch(() => {});
  const button = byId("study-leave");
  button.replaceWith("This browser keeps nothing of the study any more.");
}

byId("study-leave")?.addEventListener("click", leave);
await forget();
