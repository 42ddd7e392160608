// HTML's character references, those that people and models write. No parser of HTML is ever asked.
const NAMED = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–", lsquo: "‘",
  rsquo: "’", ldquo: "“", rdquo: "”", bull: "•", middot: "·", times: "×", divide: "÷", plusmn: "±", deg: "°", para: "¶", sect: "§", euro: "€", pound: "£",
  larr: "←", rarr: "→", uarr: "↑", darr: "↓", le: "≤", ge: "≥", ne: "≠", infin: "∞", minus: "−", shy: "\u00ad", num: "#", vert: "|", ast: "*", lowbar: "_",
};
const REFERENCE = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]\w{1,7}));/g;

function character(code) {
  const isOne = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isOne ? String.fromCodePoint(code) : "\ufffd";
}

export function decodeEntities(text) {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (all, decimal, hex, name) => {
    if (name) return Object.hasOwn(NAMED, name) ? NAMED[name] : all;
    return character(decimal ? Number(decimal) : parseInt(hex, 16));
  });
}
