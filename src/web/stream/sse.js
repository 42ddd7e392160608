// Server-sent events from a body, one after the other. Comments (keep-alives) are bytes that were heard, but no events.
import { Unreachable } from "../api/problem.js";

// Feeds text in pieces of any size; calls back with {id, data}.
export function eventParser(onEvent) {
  let rest = "";
  let id = "";
  let data = [];
  function line(text) {
    if (text === "") {
      if (data.length) onEvent({ id, data: data.join("\n") });
      data = [];
    } else if (text[0] !== ":") {
      const colon = text.indexOf(":");
      const field = colon < 0 ? text : text.slice(0, colon);
      const value = colon < 0 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
      if (field === "data") data.push(value);
      else if (field === "id") id = value;
    }
  }
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const each of lines) line(each.endsWith("\r") ? each.slice(0, -1) : each);
  };
}

// A line that breaks is no answer, as when none came.
function lost(error) {
  throw error.name === "AbortError" ? error : new Unreachable();
}

// Reads a response to its end. onBytes is told of every piece.
export async function readStream(response, onEvent, onBytes) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parse = eventParser(onEvent);
  for (;;) {
    const { value, done } = await reader.read().catch(lost);
    if (done) return;
    onBytes();
    parse(decoder.decode(value, { stream: true }));
  }
}
