// Copying links. They are never put anywhere else.
import { announce, byId } from "../dom.js";

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain HTTP on a network has no clipboard interface; the older way needs a field.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  announce(told);
}

function pressed(button, text, told) {
  const words = button.textContent;
  copy(text, told);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = words; }, 1500);
}

const links = [...document.querySelectorAll("[data-link]")];
byId("copy-all")?.addEventListener("click", (event) => {
  const lines = links.map((link) => `${link.dataset.code}\t${link.textContent}`);
  pressed(event.currentTarget, lines.join("\n"), `${links.length} links copied.`);
});
for (const link of links) {
  const button = link.closest("tr").querySelector("[data-copy]");
  button.addEventListener("click", () => pressed(button, link.textContent, `The link of ${link.dataset.code} is copied.`));
}
