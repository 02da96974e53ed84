// The only place that speaks HTTP. Every refusal becomes a Problem with a sentence for a person.
import { uuid } from "./dom.js";

/** A problem document (RFC 9457), or `offline` when no answer came at all. */
export class Problem extends Error {
  constructor(body, status = 0, retryAfter = null) {
    super(body.detail || body.title || "Something went wrong.");
    this.code = body.code || "unknown";
    this.status = status;
    this.body = body;
    this.mend = body.mend || "";
    this.retryAfter = retryAfter;
  }

  /** What happened and what to do, in one line. */
  get sentence() {
    return this.mend && !this.message.includes(this.mend) ? `${this.message} ${this.mend}` : this.message;
  }
}

const OFFLINE = { code: "offline", detail: "The server can’t be reached. What you type is kept on this computer." };

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = { detail: `The server answered with an error (${response.status}). Try again in a moment.` };
  }
  return new Problem(body, response.status, Number(response.headers.get("Retry-After")) || null);
}

/** Send; the response itself comes back, a refusal is thrown as a Problem. */
export async function send(method, path, { body, form, key, signal, keepalive = false, seconds = 60 } = {}) {
  const headers = { Accept: "application/json" };
  if (method === "POST") headers["Idempotency-Key"] = key || uuid();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const limit = seconds ? AbortSignal.timeout(seconds * 1000) : null;
  const signals = [signal, limit].filter(Boolean);
  let response;
  try {
    response = await fetch(path, {
      method, headers, keepalive, credentials: "same-origin", cache: "no-store",
      body: form || (body === undefined ? undefined : JSON.stringify(body)),
      signal: signals.length ? AbortSignal.any(signals) : undefined,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(OFFLINE);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function json(method, path, options) {
  const response = await send(method, path, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new Problem(OFFLINE);
  }
}

export const get = (path, options) => json("GET", path, options);
export const post = (path, body = {}, options = {}) => json("POST", path, { ...options, body });
export const patch = (path, body, options = {}) => json("PATCH", path, { ...options, body });
export const remove = (path, options) => json("DELETE", path, options);
export const upload = (path, form) => json("POST", path, { form, seconds: 120 });
