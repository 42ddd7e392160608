// The place of a text in Markdown: Preact makes the element and lets a MarkdownDocument fill it.
import { effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../lib/html.js";
import { MarkdownDocument } from "../markdown/document.js";

// text: all of it; live: the signal of one that still grows.
export function Markdown({ text, live }) {
  const root = useRef(null);
  const doc = useRef(null);
  useLayoutEffect(() => {
    doc.current ??= new MarkdownDocument(root.current);
    if (!live) {
      doc.current.set(text, true);
      return undefined;
    }
    const stop = effect(() => doc.current.set(live.value, false));
    return () => {
      stop();
      doc.current.cancel();
    };
  }, [text, live]);
  return html`<div class="markdown" ref=${root}></div>`;
}
