// Calls of tools: gathered from the pieces of a stream, and read from a message.

// The pieces of a call share an index; names come once, arguments grow.
export function addToolPiece(calls, piece) {
  const at = piece.index ?? 0;
  const next = [...calls];
  const known = next[at] ?? { name: "", arguments: "" };
  const name = piece.name ?? piece.function?.name;
  next[at] = { name: name ?? known.name, arguments: known.arguments + (piece.arguments ?? piece.function?.arguments ?? "") };
  return next;
}

// [{name, arguments}] of what a message holds, whatever form a client stored.
export function toolsOf(calls) {
  if (!Array.isArray(calls)) return [];
  return calls.filter(Boolean).map((call) => ({
    name: String(call.function?.name ?? call.name ?? "tool"),
    arguments: textOf(call.function?.arguments ?? call.arguments ?? ""),
  }));
}

function textOf(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
