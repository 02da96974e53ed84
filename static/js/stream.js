// Server-sent events over fetch: one stream a tab, cancelled by aborting the request.
import { send } from "./api.js";

function parse(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

/** Yield {name, data} until the server ends the stream. A broken connection ends it too: look for a last event. */
export async function* events(path, signal) {
  const response = await send("GET", path, { signal, seconds: 0 });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer = (buffer + value).replaceAll("\r\n", "\n");
      for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
        const event = parse(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
        if (event) yield event;
      }
    }
  } catch (error) {
    if (error.name === "AbortError" || !signal?.aborted) return;
    throw error;
  } finally {
    reader.cancel().catch(() => {});
  }
}
