// A text in Markdown that grows.
//
// What must stay true: a block that is settled is never read or drawn again, only the last one is; a long code block that is still open grows by
// its new text alone; however long the last block is, drawing takes a small part of the time (it waits several times as long as it took). So the
// work for an answer is linear in its length.
import { Lexer } from "marked";
import { blockNodes, codeBlock } from "./build.js";
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
    this.openCode = null;
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
    const tokens = new Lexer(OPTIONS).lex(this.text.slice(this.settled));
    let last = tokens.length - 1;
    while (last > 0 && tokens[last].type === "space") last--;
    if (last >= 0) {
      if (last > 0) this.settle(tokens.slice(0, last));
      this.drawLast(tokens[last]);
    }
    const now = performance.now();
    this.notBefore = now + PAUSE * (now - begun);
  }

  settle(tokens) {
    this.clearLive();
    for (const token of tokens) {
      this.append(blockNodes(token), true);
      this.settled += token.raw.length;
    }
  }

  append(nodes, isSettled) {
    this.root.append(...nodes);
    if (isSettled) for (const node of nodes) highlight(node);
  }

  clearLive() {
    for (const node of this.live) node.remove();
    this.live = [];
    this.openCode = null;
  }

  drawLast(token) {
    if (token.type === "code" && this.openCode && token.text.startsWith(this.openCode.data)) {
      this.openCode.appendData(token.text.slice(this.openCode.data.length));
      return;
    }
    this.clearLive();
    this.live = token.type === "code" ? [codeBlock(token.text, token.lang)] : blockNodes(token);
    this.append(this.live, false);
    if (token.type !== "code") return;
    const code = this.live[0].querySelector("code");
    if (!code.firstChild) code.append("");
    this.openCode = code.firstChild;
  }

  // All of it is there. Links that are defined further down are known only now.
  finish() {
    this.cancel();
    if (DEFINITION.test(this.text) && this.settled) {
      this.root.replaceChildren();
      this.settled = 0;
    } else {
      this.clearLive();
    }
    this.live = [];
    this.openCode = null;
    for (const token of new Lexer(OPTIONS).lex(this.text.slice(this.settled))) this.append(blockNodes(token), true);
    this.settled = this.text.length;
    this.isFinished = true;
  }
}
