// Selects under messages and in forms: the browser's own list for one choice, boxes for several.

import { act, all, one } from "./common.js";

const known = new WeakMap(); // list -> what the server knows to be ticked

export const ticked = (many) => all("input:checked", many).map((box) => box.value);

function show(many) {
  const most = Number(many.dataset.most);
  const boxes = all("input", many);
  const chosen = boxes.filter((box) => box.checked);
  for (const box of boxes) box.disabled = !box.checked && chosen.length >= most;
  one("summary", many).textContent = chosen.map((box) => box.dataset.label).join(", ") || many.dataset.place;
}

// Like Discord: what was ticked is sent when the list closes.
function sendOnClose(many) {
  if (many.dataset.choose === undefined) return;
  const now = ticked(many);
  if (now.join() === known.get(many).join() || now.length < Number(many.dataset.least)) return;
  known.set(many, now);
  act("choose", { message: many.dataset.message, customId: many.dataset.customId, values: now });
}

export function closeSelects(except = null) {
  const open = all("details.many[open]").filter((many) => many !== except);
  for (const many of open) many.open = false;
  return open.length > 0;
}

export function prepareMany(many) {
  show(many);
  known.set(many, ticked(many));
  many.addEventListener("toggle", () => {
    if (many.open) closeSelects(many);
    else sendOnClose(many);
  });
}

document.addEventListener("change", (event) => {
  const field = event.target;
  const many = field.closest("details.many");
  if (many) return show(many);
  if (!field.dataset.change) return;
  const { change, ...details } = field.dataset;
  const values = field.value ? [field.value] : [];
  act(change, { ...details, values });
});
