// Follows one turn to its end, whatever happens to the line.
//
// What must stay true: onEvent sees each event once and in order; a cut is followed by coming back with the id of the last event; where no
// byte arrives in time the same events are polled; a message is never sent twice (coming back to a POST uses the same Idempotency-Key).
import { openStream, readEvents } from "../api/calls.js";
import { Unreachable } from "../api/problem.js";
import { wait } from "../lib/wait.js";
import { readStream } from "./sse.js";

const FIRST_BYTE_MS = 2000;
const POLL_MS = 600;
const SILENCE_MS = 45000; // three keep-alives
const BACKOFF_MS = [300, 1000, 2000, 4000, 8000];
const POSTS = 3; // so often a send is tried before the person is asked

// turn: {
//   post(signal)       opens the stream that begins the turn; null: it runs already
//   session()          the session's id, null while that is not known
//   find(signal)       looks for the id where streams cannot pass and the session is new; null: not found
//   isOurs(turn_id)    false for a turn that ended before this one
//   after              the id of the last event that was seen
//   onEvent(event), onLine(up)
// }
// Answers "over" after the last event, "gone" when the server knows of nothing that runs. Throws what the server says to the POST.
export async function followTurn(turn, signal) {
  const state = { after: turn.after ?? 0, over: false, tries: 0 };
  while (!state.over && !signal.aborted) {
    const after = state.after;
    try {
      const end = await listen(turn, state, signal);
      if (state.over) return "over";
      if (end === "nothing") return "gone";
    } catch (error) {
      if (signal.aborted) break;
      if (state.over) return "over";
      // Somebody who only watches can wait; who sends is told.
      const isUnsent = turn.post !== null && state.after === 0;
      const again = error instanceof Unreachable || error.name === "AbortError" || error.status >= 500 || (error.status === 429 && !isUnsent);
      if (!again || (isUnsent && state.tries + 1 >= POSTS)) throw error;
    }
    if (state.after > after) state.tries = 0;
    turn.onLine(false);
    await pause(BACKOFF_MS[Math.min(state.tries++, BACKOFF_MS.length - 1)], signal);
  }
  return state.over ? "over" : "left";
}

// Until the backoff is over; at once when the network is back.
async function pause(ms, signal) {
  const early = new AbortController();
  const end = () => early.abort();
  addEventListener("online", end);
  signal.addEventListener("abort", end, { once: true });
  await wait(ms, early.signal);
  removeEventListener("online", end);
}

function take(turn, state, event) {
  if (!(event.id > state.after) || (event.turn_id && !turn.isOurs(event.turn_id))) return;
  state.after = event.id;
  state.over = event.type === "done" || event.type === "error";
  turn.onEvent(event);
}

// One connection: a stream, and beside it polling from the moment that nothing is heard.
async function listen(turn, state, signal) {
  const line = new AbortController();
  const cut = () => line.abort();
  signal.addEventListener("abort", cut, { once: true });
  const polling = new AbortController();
  let silence = setTimeout(cut, SILENCE_MS);
  const alive = () => {
    clearTimeout(silence);
    silence = setTimeout(cut, SILENCE_MS);
    turn.onLine(true);
  };
  const late = setTimeout(() => {
    poll(turn, state, alive, polling.signal).finally(() => polling.signal.aborted || cut()).catch(() => {});
  }, FIRST_BYTE_MS);
  const heard = () => {
    clearTimeout(late);
    if (!polling.signal.aborted) polling.abort();
    alive();
  };
  try {
    const begins = turn.session() === null || (turn.post !== null && state.after === 0);
    const response = begins ? await turn.post(line.signal) : await openStream(turn.session(), state.after, line.signal);
    if (response.status === 204) return "nothing";
    await readStream(response, ({ id, data }) => take(turn, state, { ...JSON.parse(data), id: Number(id) }), heard);
    return "cut";
  } finally {
    clearTimeout(late);
    clearTimeout(silence);
    polling.abort();
    line.abort();
    signal.removeEventListener("abort", cut);
  }
}

// Until the turn is over or the stream has something to say.
async function poll(turn, state, alive, signal) {
  while (!state.over && !signal.aborted) {
    const id = turn.session() ?? (await turn.find(signal));
    const events = id ? await readEvents(id, state.after, signal) : [];
    if (!signal.aborted) {
      alive();
      for (const event of events) take(turn, state, event);
    }
    if (!state.over) await wait(POLL_MS, signal);
  }
}
