// Colours in code blocks, added later: the highlighter is loaded when the first block is seen.
//
// The highlighter's tree of scopes is made into elements here; its HTML is not used.
import { element } from "./build.js";

const LONGEST = 60000;
let loading = null;

function load() {
  loading ??= import("./languages.js").catch(() => {
    // Tried again with the next block.
    loading = null;
  });
  return loading;
}

// When a block comes near the screen; until then it costs nothing.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    colour(target);
  }
}, { rootMargin: "600px" });

export function highlight(node) {
  for (const code of node.querySelectorAll?.("code[data-language]") ?? []) {
    if (code.textContent.length <= LONGEST) watcher.observe(code);
  }
}

async function colour(code) {
  const { parse } = (await load()) ?? {};
  // New nodes would take the selection away.
  if (isSelected(code)) {
    document.addEventListener("selectionchange", () => colour(code), { once: true });
    return;
  }
  const tree = parse?.(code.textContent, code.dataset.language.toLowerCase());
  if (tree) code.replaceChildren(...nodesOf(tree));
}

function isSelected(node) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(node, true);
}

function nodesOf({ children }) {
  return children.map((child) => {
    if (typeof child === "string") return document.createTextNode(child);
    const scope = /^[a-z_]+/.exec(child.scope ?? "")?.[0];
    return element("span", scope ? { class: `hl-${scope}` } : {}, nodesOf(child));
  });
}
