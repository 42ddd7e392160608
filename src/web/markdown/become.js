// Makes nodes that are shown into others by changing only what differs: what is the same stays, and with it what is selected there.

// old: the last children of parent. Returns what stands in their place.
export function become(parent, old, fresh) {
  const made = fresh.map((node, i) => (old[i] ? merge(old[i], node) : parent.appendChild(node)));
  for (const node of old.slice(fresh.length)) node.remove();
  return made;
}

function merge(old, fresh) {
  if (isSame(old, fresh)) return old;
  if (fresh.nodeType === Node.TEXT_NODE && old.nodeType === Node.TEXT_NODE) {
    const same = sameBegin(old.data, fresh.data);
    old.replaceData(same, old.length - same, fresh.data.slice(same));
  } else if (fresh.nodeType === Node.ELEMENT_NODE && old.cloneNode().isEqualNode(fresh.cloneNode())) {
    become(old, [...old.childNodes], [...fresh.childNodes]);
  } else {
    old.replaceWith(fresh);
    return fresh;
  }
  return old;
}

// Code that has got its colours says the same as without; a button says what its owner last had it say.
function isSame(old, fresh) {
  const name = old.localName === fresh.localName && old.localName;
  return name === "button" || (name === "code" && old.textContent === fresh.textContent) || old.isEqualNode(fresh);
}

function sameBegin(a, b) {
  if (b.startsWith(a)) return a.length;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
