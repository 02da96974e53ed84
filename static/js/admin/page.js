// What every page of the facilitator's does: the theme, times in the reader's own zone, and forms that are sent once.
import * as theme from "../theme.js";

theme.start();

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const node of document.querySelectorAll("time[data-when]")) {
  node.title = node.textContent;
  node.textContent = format.format(new Date(node.dateTime));
}

// A second press while the first is under way would only be the same again.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
}

// Back from the browser's history: what was sent may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A baseline has no parts to switch off.
for (const group of document.querySelectorAll(".condition")) {
  const base = group.querySelector("select");
  const switches = group.querySelector("[data-switches]");
  const show = () => { switches.hidden = base.value === "baseline"; };
  base.addEventListener("change", show);
  show();
}
