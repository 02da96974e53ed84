// A mode of the canvas: there is one thing to do, everything else on it rests, Escape leaves.
import { announce, byId, isTyping } from "./dom.js";

let focusCanvas = () => {};
/** Where the focus goes when what it came from can't take it back. */
export function start(focus) {
  focusCanvas = focus;
}

let leave = null; // how to leave the mode that is on

/**
 * Put `nodes` over the canvas until the mode is left; gives the function that leaves it. `key` is the single key that
 * goes on working, as it leaves the mode, `name` what it is called, `button` the id of the button that began it.
 */
export function begin({ name, nodes, key, button, left }) {
  leave?.();
  const cameFrom = document.activeElement;
  const keydown = (event) => {
    // No single key does anything to the versions meanwhile.
    if (event.key.length === 1 && event.key !== " " && event.key !== key && !event.ctrlKey && !event.metaKey && !isTyping(event.target)) event.stopPropagation();
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    end();
    announce(`${name} left.`);
  };
  const end = () => {
    if (leave !== end) return;
    leave = null;
    removeEventListener("keydown", keydown, true);
    for (const node of nodes) node.remove();
    left();
    // What was pressed may be drawn anew, or in a pane that a narrow window hides.
    const back = [cameFrom, button()].find((node) => node && node !== document.body && node.isConnected && node.checkVisibility());
    if (back) back.focus();
    else focusCanvas();
  };
  byId("frame").append(...nodes);
  addEventListener("keydown", keydown, true);
  leave = end;
  return end;
}
