// Which parts the desk has. Outside of a study all; in one, what the condition leaves. The server refuses the rest.
const { dataset } = document.body;
const on = (name) => dataset[name] !== "off";

export const has = {
  canvas: on("canvas"), labels: on("labels"), muse: on("muse"), scores: on("scores"),
  chat: dataset.chat === "on", study: dataset.study === "on",
};
