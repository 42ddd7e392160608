// What can come back instead of an answer: a problem document, or no answer at all.
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail ?? document.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "unknown";
    this.errors = document.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

// No answer: the line, the server or the person's network is away.
export class Unreachable extends Error {
  constructor() {
    super("No connection to the server.");
    this.code = "unreachable";
    this.errors = [];
  }
}

export async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
  let document = {};
  try {
    document = await response.json();
  } catch {
    // Not from Parley: some proxy between.
  }
  return new Problem(response.status, document, retryAfter);
}

// One sentence for people.
export function sentenceOf(error) {
  if (error.errors?.length) return error.errors.map(({ field, message }) => `${field} ${message}.`).join(" ");
  if (error.status === 429 && error.retryAfter > 1) return `${error.message} Try again in ${error.retryAfter} seconds.`;
  return error.message;
}
