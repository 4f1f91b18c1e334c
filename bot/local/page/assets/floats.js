// What lies over the page for a moment: the menu of a message, a modal, an enlarged picture.

import { act, all, one, words } from "./common.js";

const LONG_PRESS = 500; // milliseconds
let pointer = { x: 0, y: 0 };
let opener = null; // what gets the focus back when a menu closes

// -- the menu of a message

export function openMenu(message, from, at) {
  opener = from;
  pointer = at;
  act("menu", { message });
}

export function closeMenu() {
  const menu = one("[data-menu]");
  if (!menu) return false;
  act("close-menu");
  menu.remove();
  if (opener?.isConnected) opener.focus();
  return true;
}

export function placeMenu(menu) {
  menu.style.left = `${Math.max(8, Math.min(pointer.x, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(pointer.y, innerHeight - menu.offsetHeight - 8))}px`;
  one("[role=menuitem]", menu)?.focus();
}

export function moveInMenu(event, menu) {
  const items = all("[role=menuitem]", menu);
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab") closeMenu();
  if (to === undefined) return;
  event.preventDefault();
  items[(to + items.length) % items.length].focus();
}

function menuAt(event) {
  const message = event.target.closest("article[data-message]");
  if (!message || event.target.closest("a, textarea, input") || String(getSelection())) return false;
  openMenu(message.dataset.message, message, { x: event.clientX, y: event.clientY });
  return true;
}

document.addEventListener("contextmenu", (event) => {
  if (menuAt(event)) event.preventDefault();
});

// A finger that stays. Not every browser makes a contextmenu event of it.
let press = 0;
document.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "touch" || event.target.closest("button, select, summary, label")) return;
  press = setTimeout(() => !one("[data-menu]") && menuAt(event), LONG_PRESS);
});
for (const end of ["pointerup", "pointercancel", "scroll"]) {
  document.addEventListener(end, () => clearTimeout(press), true);
}

// -- modals

export function openModal(dialog) {
  dialog.showModal();
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    act("close-modal");
  });
  one("textarea, input:not([type=hidden]), select, summary", dialog)?.focus();
}

// -- pictures

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function enlarge(link) {
  const name = one("img", link)?.alt || "";
  const close = element("button", { type: "button", textContent: "✕", ariaLabel: words.close });
  const original = element("a", { href: link.href, textContent: words.original });
  const picture = element("img", { src: link.href, alt: name });
  const foot = element("div", { className: "lightbox-foot" }, original, close);
  const dialog = element("dialog", { className: "lightbox", ariaLabel: name }, picture, foot);
  dialog.dataset.testid = "lightbox";
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target === close) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
