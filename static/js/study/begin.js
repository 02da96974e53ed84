// The page between a link and its use: only the button joins.
import { post, Problem } from "../api.js";
import { byId } from "../dom.js";
import { tab } from "./session.js";

const trouble = byId("study-trouble");
const width = byId("study-width");

function measure() {
  width.hidden = innerWidth >= 1280;
  width.textContent = `This window is ${innerWidth.toLocaleString("en")} pixels wide. Please make it wider before you begin, or use a larger screen.`;
}
addEventListener("resize", measure);
measure();

byId("study-begin").disabled = false;
byId("study-begin").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  trouble.hidden = true;
  try {
    const token = decodeURIComponent(location.pathname.split("/").at(-1));
    await post("/api/study/begin", { token, tab });
    location.replace("/study");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    button.disabled = false;
    trouble.hidden = false;
    trouble.textContent = problem.sentence;
  }
});
