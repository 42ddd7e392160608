// Makes what marked's lexer has read into elements.
//
// What must stay true: no text of a model becomes markup. Elements are made one by one from the list below; everything else is a text node; there is
// no HTML string anywhere, so there is nothing to clean (the page's CSP has no Trusted Types policy at all). Links lead to http, https and mailto
// alone. Nothing is ever loaded: images become links.
import { decodeEntities } from "./entities.js";

const SAFE_LINK = /^(?:https?:\/\/|mailto:)[^\s]/i;
const PLAIN_TAG = /^<(\/?)(b|i|u|s|em|strong|sub|sup|kbd|mark|small|del|ins|code)\s*>$/i;
const BREAK = /^<br\s*\/?>$/i;

export function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const text = (value) => document.createTextNode(value);

// ---- inside a line ----

function link(href, title, children) {
  const target = decodeEntities(href ?? "");
  if (!SAFE_LINK.test(target)) return children;
  return [element("a", { href: target, title: title ? decodeEntities(title) : null, target: "_blank", rel: "noopener noreferrer nofollow" }, children)];
}

// Tags come one by one; the few that mean something to readers open and close an element, all others are shown as they were written.
function inlineTag(raw, open) {
  if (BREAK.test(raw)) return open.at(-1).append(element("br"));
  const tag = PLAIN_TAG.exec(raw);
  const name = tag?.[2].toLowerCase();
  if (tag && !tag[1]) {
    const made = element(name);
    open.at(-1).append(made);
    open.push(made);
  } else if (tag && open.length > 1 && open.at(-1).localName === name) {
    open.pop();
  } else {
    open.at(-1).append(text(raw));
  }
}

function inline(tokens) {
  const root = document.createDocumentFragment();
  const open = [root];
  for (const token of tokens) {
    if (token.type === "html") inlineTag(token.raw, open);
    else open.at(-1).append(...inlineNodes(token));
  }
  return [...root.childNodes];
}

function inlineNodes(token) {
  switch (token.type) {
    case "strong": case "em": case "del":
      return [element(token.type, {}, inline(token.tokens))];
    case "codespan":
      return [element("code", {}, [token.text])];
    case "br":
      return [element("br")];
    case "link":
      return link(token.href, token.title, inline(token.tokens));
    case "image":
      return link(token.href, token.title, [element("span", { class: "image-link" }, [decodeEntities(token.text) || "Image"])]);
    case "escape":
      return [text(token.text)];
    case "text":
      return token.tokens ? inline(token.tokens) : [text(decodeEntities(token.text))];
    default:
      return [text(token.raw)];
  }
}

// ---- blocks ----

export function codeBlock(code, lang) {
  const language = /^[\w+#.-]{1,30}/.exec(lang ?? "")?.[0] ?? "";
  const body = element("code", { "data-language": language || null }, [code]);
  return element("div", { class: "code" }, [
    element("div", { class: "code-head" }, [
      element("span", { class: "code-language" }, [language || "text"]),
      element("button", { type: "button", class: "code-copy", "data-copy-code": "" }, ["Copy"]),
    ]),
    element("pre", { tabindex: "0", "aria-label": language ? `Code in ${language}` : "Code" , role: "region" }, [body]),
  ]);
}

function cells(name, row, align) {
  return row.map((cell, i) => element(name, { align: align[i], scope: name === "th" ? "col" : null }, inline(cell.tokens)));
}

function table({ header, rows, align }) {
  const head = element("thead", {}, [element("tr", {}, cells("th", header, align))]);
  const body = element("tbody", {}, rows.map((row) => element("tr", {}, cells("td", row, align))));
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, [element("table", { dir: "auto" }, [head, body])]);
}

function listItem(item) {
  const children = item.tokens.flatMap((token) => {
    if (token.type === "checkbox") return [];
    if (token.type === "text") return item.loose ? [element("p", {}, inline(token.tokens ?? []))] : inline(token.tokens ?? [token]);
    return blockNodes(token);
  });
  if (!item.task) return element("li", {}, children);
  const box = element("input", { type: "checkbox", disabled: "", checked: item.checked ? "" : null, "aria-label": item.checked ? "Done" : "Open" });
  return element("li", { class: "task" }, [box, element("div", {}, children)]);
}

// The nodes of a block; a heading inside an answer stands below that of the page.
export function blockNodes(token) {
  switch (token.type) {
    case "space": case "def":
      return [];
    case "heading":
      return [element(`h${Math.min(token.depth + 1, 6)}`, { class: `h${token.depth}` }, inline(token.tokens))];
    case "paragraph":
      return [element("p", {}, inline(token.tokens))];
    case "text":
      return [element("p", {}, inline(token.tokens ?? [token]))];
    case "code":
      return [codeBlock(token.text, token.lang)];
    case "blockquote":
      return [element("blockquote", { dir: "auto" }, token.tokens.flatMap(blockNodes))];
    case "list":
      return [element(token.ordered ? "ol" : "ul", { dir: "auto", start: token.ordered && token.start !== 1 ? token.start : null }, token.items.map(listItem))];
    case "table":
      return [table(token)];
    case "hr":
      return [element("hr")];
    default:
      return [element("p", {}, [text(token.raw.trim())])];
  }
}
