// Keeps a scroller at its end while what is in it grows, until its reader goes up.
//
// What must stay true: whoever scrolls up by a pixel is left there until the end is reached again; nothing is pulled from under a finger, or out of a
// scroll that has just begun; what layout does (a block that becomes smaller, a field that grows below) is never taken for the reader.
const AT_END = 24; // pixels, about a line
const BEGINS_MS = 250; // a wheel or a key becomes a scroll within this time

const goesUp = ({ key, shiftKey }) => key === "ArrowUp" || key === "PageUp" || key === "Home" || (key === " " && shiftKey);

export class Stick {
  constructor(scroller, inner) {
    this.scroller = scroller;
    this.isStuck = true;
    this.isHeld = false;
    this.note();
    const watcher = new ResizeObserver(() => this.follow());
    watcher.observe(inner);
    watcher.observe(scroller);
    const ended = new AbortController();
    const on = (name, listener) => scroller.addEventListener(name, listener, { passive: true, signal: ended.signal });
    on("touchstart", () => this.hold());
    on("touchend", ({ touches }) => touches.length || this.release());
    on("touchcancel", () => this.release());
    on("wheel", ({ deltaY }) => deltaY < 0 && this.holdShortly());
    on("keydown", (event) => goesUp(event) && this.holdShortly());
    this.end = () => {
      this.hold();
      watcher.disconnect();
      ended.abort();
    };
  }

  // Where it stands now.
  note() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.top = scrollTop;
    this.rest = scrollHeight - scrollTop - clientHeight;
  }

  // After each scroll: whose was it? Where layout takes something away the top goes up too, but the rest below does not grow.
  scrolled() {
    const { top, rest } = this;
    this.note();
    if (this.top < top && this.rest > rest + 0.5) this.isStuck = false;
    else if (this.top > top && this.rest < AT_END) this.isStuck = true;
  }

  toEnd() {
    this.isStuck = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.note();
  }

  follow() {
    if (this.isStuck && !this.isHeld) this.toEnd();
  }

  hold() {
    clearTimeout(this.timer);
    this.isHeld = true;
  }

  holdShortly() {
    this.hold();
    this.timer = setTimeout(() => this.release(), BEGINS_MS);
  }

  release() {
    clearTimeout(this.timer);
    this.isHeld = false;
    this.follow();
  }
}
