// The text field: keys, the picker above it, its height, and the forms of commands.

import { act, all, composer, one } from "./common.js";
import { markUnread } from "./log.js";
import { ticked } from "./selects.js";

export function send() {
  act("send", { text: composer().value });
  markUnread(""); // who answers has read
  setText("");
}

export function setText(text) {
  const field = composer();
  field.value = text;
  grow(field);
}

function grow(field) {
  field.style.height = "auto";
  if (field.offsetParent === null) return; // hidden: it has no height to measure
  field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`;
}

export function gathered(form) {
  const values = {};
  for (const field of all("[data-name]", form)) {
    values[field.dataset.name] = field.matches("details") ? ticked(field) : field.value;
  }
  return values;
}

// Put the chosen name in place of the @beginning before the caret.
export function insert(name) {
  const field = composer();
  const before = field.value.slice(0, field.selectionStart).replace(/@\S*$/, `${name} `);
  const after = field.value.slice(field.selectionStart);
  setText(before + after);
  field.setSelectionRange(before.length, before.length);
  field.focus();
  act("type", { text: before });
}

const offered = () => all("#picker [role=option]");

function choose(options, index) {
  const next = (index + options.length) % options.length;
  options.forEach((option, i) => option.setAttribute("aria-selected", String(i === next)));
  options[next].scrollIntoView({ block: "nearest" });
  composer().setAttribute("aria-activedescendant", options[next].id);
}

export function typingKey(event) {
  if (event.isComposing || event.keyCode === 229) return; // an input method is still at work
  const field = event.target;
  const options = offered();
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (options.length && event.key === "ArrowDown") choose(options, at + 1);
  else if (options.length && event.key === "ArrowUp") choose(options, at - 1);
  else if (options.length && event.key === "Tab" && !event.shiftKey) options[at]?.click();
  else if (event.key === "ArrowUp" && !field.value) act("edit-last");
  else if (event.key === "Enter" && !event.shiftKey) {
    if (options[at]) options[at].click();
    else send();
  } else return;
  event.preventDefault();
}

// In forms Enter sends from a field of one line, Ctrl+Enter from everywhere.
export function formKey(event) {
  if (event.key !== "Enter" || event.isComposing || !event.target.form) return;
  if (event.target.matches("textarea.one-line") || event.ctrlKey || event.metaKey) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
}

let watched = false; // whether the picker may be open
let suggestTimer = 0;
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.tagName === "TEXTAREA") grow(field);
  if (field === composer()) {
    const text = field.value.slice(0, field.selectionStart);
    const picks = text.startsWith("/") || /(^|\s)@\S{0,32}$/.test(text);
    if (picks || watched) act("type", { text });
    watched = picks;
  }
  if (field.dataset.suggest) {
    clearTimeout(suggestTimer);
    suggestTimer = setTimeout(() => {
      act("suggest", { option: field.dataset.suggest, values: gathered(field.form) });
    }, 150);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-submit]");
  if (!form) return;
  event.preventDefault();
  act(`submit-${form.dataset.submit}`, { values: gathered(form) });
});

// Show what the bot suggests for an option.
export function suggest(option, choices) {
  const box = one(`[data-suggestions="${CSS.escape(option)}"]`);
  box?.replaceChildren(
    ...choices.map(({ name, value }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "chip";
      button.textContent = name;
      button.addEventListener("click", () => {
        const field = one(`[data-suggest="${CSS.escape(option)}"]`);
        field.value = value;
        box.replaceChildren();
        field.focus();
      });
      return button;
    }),
  );
}
