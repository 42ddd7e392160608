// eventsource, which comes back by itself after a cut, with Last-Event-ID; with order.stay it also comes back after the end.
import { EventSource } from "eventsource";
import { order, tell, tellEvent } from "./talk.mjs";

const source = new EventSource(order.url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...order.headers } }),
});
source.onopen = () => tell({ opened: true });
source.onmessage = (event) => {
  if (tellEvent({ id: event.lastEventId, data: event.data }) && !order.stay) {
    source.close();
    tell({ closed: "done" });
  }
};
source.onerror = (error) => {
  tell({ failure: error.message, status: error.code });
  if (source.readyState === EventSource.CLOSED) tell({ closed: error.code });
};
