// What every part of the page uses: finding elements, and telling the server what was done.

export const act = (action, details = {}) => emitEvent("act", { action, ...details });
export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];
export const composer = () => one("#composer");

// The page's texts in the reader's language, as the server sent them last.
export const words = { title: "", fresh: "", close: "", original: "" };
