// A text in Markdown that grows.
//
// What must stay true: a block that is settled is never read or drawn again, only the last one is, and of that only what has changed: what a reader
// has selected stays selected; however long the last block is, drawing takes a small part of the time (it waits several times as long as it took).
// So the work for an answer is linear in its length.
import { Lexer } from "marked";
import { become } from "./become.js";
import { blockNodes } from "./build.js";
import { highlight } from "./highlight.js";

const OPTIONS = { gfm: true, breaks: true };
const PAUSE = 4; // times the last drawing
const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m;

export class MarkdownDocument {
  constructor(root) {
    this.root = root;
    this.reset();
  }

  reset() {
    this.cancel();
    this.text = "";
    this.settled = 0; // so much of the text is drawn for good
    this.live = []; // the nodes of the last block
    this.isFinished = false;
    this.notBefore = 0;
    this.root.replaceChildren();
  }

  // The whole text as it is now; what was drawn of it stays.
  set(text, isFinished) {
    const clean = text.replaceAll("\r", "");
    if (!clean.startsWith(this.text) || (this.isFinished && clean !== this.text)) this.reset();
    if (this.isFinished) return;
    this.text = clean;
    if (isFinished) this.finish();
    else this.schedule();
  }

  cancel() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = this.timer = 0;
  }

  schedule() {
    if (this.frame || this.timer) return;
    const later = this.notBefore - performance.now();
    const ask = () => {
      this.timer = 0;
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    };
    if (later > 0) this.timer = setTimeout(ask, later);
    else ask();
  }

  draw() {
    const begun = performance.now();
    const tokens = this.read();
    while (tokens.at(-1)?.type === "space") tokens.pop();
    const last = tokens.pop();
    for (const token of tokens) {
      this.settle(blockNodes(token));
      this.settled += token.raw.length;
    }
    if (last) this.live = become(this.root, this.live, blockNodes(last));
    const now = performance.now();
    this.notBefore = now + PAUSE * (now - begun);
  }

  // The blocks that are not settled.
  read() {
    return new Lexer(OPTIONS).lex(this.text.slice(this.settled));
  }

  // What was live is these nodes from now on.
  settle(nodes) {
    for (const node of become(this.root, this.live, nodes)) highlight(node);
    this.live = [];
  }

  // All of it is there. Links that are defined further down are known only now.
  finish() {
    this.cancel();
    if (DEFINITION.test(this.text)) {
      this.live = [...this.root.childNodes];
      this.settled = 0;
    }
    this.settle(this.read().flatMap(blockNodes));
    this.settled = this.text.length;
    this.isFinished = true;
  }
}
