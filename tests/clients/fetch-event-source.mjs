// @microsoft/fetch-event-source, which repeats its POST after a cut, with Last-Event-ID. It is made for browsers: the two objects that it asks for are
// given to it.
import { createRequire } from "node:module";
import { order, tell, tellEvent } from "./talk.mjs";

globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = createRequire(import.meta.url)("@microsoft/fetch-event-source");

let over = false;
await fetchEventSource(order.url, {
  method: order.method,
  headers: order.headers,
  body: order.body,
  onopen: async (response) => {
    tell({ opened: true, status: response.status });
    if (!response.ok) throw new Error("status " + response.status);
  },
  onmessage: (event) => {
    over = tellEvent(event) || over;
  },
  // A cut that looks like an end: what did not say that it is done goes on.
  onclose: () => {
    if (!over) throw new Error("closed too early");
  },
  onerror: (error) => tell({ failure: String(error) }),
});
tell({ closed: "done" });
