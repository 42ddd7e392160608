// A button that opens a list of things to do. Arrow keys, Home, End, Escape; the focus goes back to the button.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../lib/html.js";
import { Icon } from "./icon.js";

// items: {label, icon, run, isDanger, isChosen} or "line". children: what the button shows.
export function Menu({ label, items, class: extra = "", align = "end", children, onOpen, tabindex }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef(null);
  const close = (giveBack) => {
    setOpen(false);
    if (giveBack) button.current?.focus();
  };
  const open = (event) => {
    event.preventDefault();
    event.stopPropagation();
    setOpen(!isOpen);
    if (!isOpen) onOpen?.();
  };
  return html`<div class=${`menu ${extra}`}>
    <button type="button" ref=${button} class=${children ? "menu-button" : "icon-button"} aria-haspopup="menu" aria-expanded=${isOpen} aria-label=${label} tabindex=${tabindex}
      title=${children ? null : label} onClick=${open}>${children ?? html`<${Icon} name="more" />`}</button>
    ${isOpen && html`<${MenuList} anchor=${button} label=${label} items=${items} align=${align} close=${close} />`}
  </div>`;
}

function MenuList({ anchor, label, items, align, close }) {
  const list = useRef(null);
  useLayoutEffect(() => {
    // Above everything, and cut off by nothing.
    list.current.showPopover();
    place(list.current, anchor.current, align);
    list.current.querySelector("[role^=menuitem]")?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    const outside = (event) => !list.current?.contains(event.target) && !anchor.current?.contains(event.target) && close(false);
    const away = () => close(false);
    addEventListener("pointerdown", outside, true);
    addEventListener("resize", away);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("resize", away);
    };
  }, []);
  const onKeyDown = (event) => {
    const all = [...list.current.querySelectorAll("[role^=menuitem]")];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all.at(to % all.length).focus();
    else if (event.key === "Escape" || event.key === "Tab") close(true);
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="menu-list" popover="manual" role="menu" aria-label=${label} ref=${list} onKeyDown=${onKeyDown}>
    ${items.map((item) => item === "line"
      ? html`<div class="menu-line" role="separator"></div>`
      : item.heading ? html`<div class="menu-heading" role="presentation">${item.heading}</div>`
      : html`<button type="button" role=${item.isChosen === undefined ? "menuitem" : "menuitemradio"} aria-checked=${item.isChosen} tabindex="-1"
          class=${item.isDanger ? "danger" : ""} onClick=${(event) => { event.stopPropagation(); close(true); item.run(); }}>
          ${item.icon ? html`<${Icon} name=${item.icon} />` : null}<span>${item.label}</span>
          ${item.isChosen ? html`<${Icon} name="check" />` : null}</button>`)}
  </div>`;
}

// Below its button, or above where there is no room.
function place(list, anchor, align) {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = list;
  const left = align === "end" ? at.right - width : at.left;
  const below = at.bottom + 6 + height <= innerHeight;
  list.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  list.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - 6 - height)}px`;
}
