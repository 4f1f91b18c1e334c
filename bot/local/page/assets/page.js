// What has to happen in the browser itself: keys, files, places, times. Everything else is told to
// the server by emitEvent("act", …) and comes back as new HTML.

import { act, all, composer, one, words } from "./common.js";
import { showPreview } from "./files.js";
import { closeMenu, enlarge, moveInMenu, openMenu, openModal, placeMenu } from "./floats.js";
import { arrived, follow, markUnread, toBottom, watchLog } from "./log.js";
import { closeSelects, prepareMany } from "./selects.js";
import { showTime } from "./times.js";
import { formKey, insert, send, setText, suggest, typingKey } from "./typing.js";

// -- clicks

function followLink(event, link) {
  if (link.hasAttribute("download")) return;
  event.preventDefault();
  if (link.dataset.skip !== undefined) composer().focus();
  else if (link.dataset.enlarge !== undefined) enlarge(link);
  else window.open(link.href, "_blank", "noopener");
}

document.addEventListener("click", (event) => {
  const { target } = event;
  closeSelects(target.closest("details.many"));
  target.closest("[data-spoiler]")?.classList.add("shown");
  const link = target.closest("a[href]");
  if (link) return followLink(event, link);
  const copy = target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(copy.dataset.copy).catch(() => {});
    return void closeMenu();
  }
  const name = target.closest("[data-insert]");
  if (name) return insert(name.dataset.insert);
  if (target.closest("[data-send]")) return send();
  const button = target.closest("[data-action]");
  if (!button) {
    closeMenu();
    if (!target.closest(".sidebar")) document.body.classList.remove("sidebar-open");
    return;
  }
  press(button);
});

function press(button) {
  const { action, ...details } = button.dataset;
  if (action === "sidebar") return void document.body.classList.toggle("sidebar-open");
  if (action === "menu") {
    const box = button.getBoundingClientRect();
    return openMenu(details.message, button, { x: box.right, y: box.bottom });
  }
  closeMenu();
  if (action === "channel") document.body.classList.remove("sidebar-open");
  if (action === "command") composer().focus();
  act(action, details);
}

// -- keys

function escape() {
  if (closeMenu() || closeSelects()) return;
  if (document.body.classList.contains("sidebar-open")) {
    document.body.classList.remove("sidebar-open");
    return;
  }
  act("cancel");
  toBottom();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key === "Escape" && !one("dialog[open]")) return escape();
  const menu = target.closest?.("[data-menu]");
  if (menu) return moveInMenu(event, menu);
  if (target === composer()) return typingKey(event);
  formKey(event);
  const message = target.closest?.("article[data-message]");
  if (message === target && message && (key === "ContextMenu" || key === "Enter")) {
    event.preventDefault();
    const box = message.getBoundingClientRect();
    openMenu(message.dataset.message, message, { x: box.left + 72, y: box.top + 24 });
  }
  if ((key === "Enter" || key === " ") && target.matches?.("[data-spoiler], label[role=button]")) {
    event.preventDefault();
    target.click();
  }
});

// -- what the server puts into the page

const PREPARE = {
  time: showTime,
  "[data-menu]": placeMenu,
  "dialog[data-modal]": openModal,
  "details.many": prepareMany,
  "img[data-preview]": showPreview,
  "form.options": (form) => one("textarea, input:not([type=hidden]), select", form)?.focus(),
};

function fresh(node) {
  if (node.nodeType !== 1) return;
  for (const [selector, prepare] of Object.entries(PREPARE)) {
    if (node.matches(selector)) prepare(node);
    all(selector, node).forEach((found) => prepare(found));
  }
}

function start() {
  const log = one("#log");
  if (!log) return void setTimeout(start, 20);
  watchLog(log);
  new MutationObserver((changes) => {
    changes.forEach((change) => change.addedNodes.forEach(fresh));
    follow();
  }).observe(document.body, { childList: true, subtree: true });
  fresh(document.body);
  composer().focus();
}

// What the server calls.
window.tutorPage = {
  arrived,
  markUnread,
  setText,
  suggest,
  toBottom,
  focus: () => composer().focus(),
  modalNote: (text) => {
    const note = one("dialog .modal-note");
    if (note) note.textContent = text;
  },
  setLanguage: (locale, texts) => {
    Object.assign(words, texts);
    document.documentElement.lang = locale;
    document.title = texts.title;
    all("time").forEach(showTime);
  },
  address: (language) => history.replaceState(null, "", `?lang=${language}`),
};
start();
