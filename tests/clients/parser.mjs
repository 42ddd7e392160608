// eventsource-parser over what fetch reads, in the chunks in which it comes.
import { createParser } from "eventsource-parser";
import { order, tell, tellEvent } from "./talk.mjs";

const response = await fetch(order.url, { method: order.method, headers: order.headers, body: order.body });
tell({ status: response.status, type: response.headers.get("content-type") });
const parser = createParser({
  onEvent: tellEvent,
  onComment: (comment) => tell({ comment }),
  onError: (error) => tell({ failure: String(error) }),
});
const decoder = new TextDecoder();
for await (const chunk of response.body) parser.feed(decoder.decode(chunk, { stream: true }));
tell({ closed: "end" });
