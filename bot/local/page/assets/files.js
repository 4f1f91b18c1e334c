// Files: chosen, dropped or pasted, sent ahead of the message or form that will hold them.

import { act, composer, one } from "./common.js";

const pictures = new Map(); // key of an upload -> address of its picture in this browser

async function upload(file) {
  const body = new FormData();
  body.append("file", file);
  const answer = await fetch("local/uploads", { method: "POST", body }).catch(() => null);
  if (!answer?.ok) {
    act("refused-file", { name: file.name });
    return null;
  }
  const { key } = await answer.json();
  if (file.type.startsWith("image/")) pictures.set(key, URL.createObjectURL(file));
  return key;
}

async function attach(files) {
  for (const file of files) {
    const key = await upload(file);
    if (key) act("attach", { file: key });
  }
  composer().focus();
}

async function fillFile(field, files) {
  const sent = [];
  for (const file of files) {
    const key = await upload(file);
    if (key) sent.push({ key, name: file.name });
  }
  const box = field.closest(".file-field");
  one("[data-name]", box).value = sent.map(({ key }) => key).join(" ");
  one(".file-names", box).textContent = sent.map(({ name }) => name).join(", ");
}

export function showPreview(image) {
  const address = pictures.get(image.dataset.preview);
  if (!address) return;
  image.src = address;
  image.hidden = false;
}

// Where dropped or pasted files go: into the open form's file field, else to the message.
function receive(files) {
  const field = one("dialog[open] [data-upload]") ?? one("form.options [data-upload]");
  if (field) return fillFile(field, field.multiple ? files : [...files].slice(0, 1));
  if (!one("dialog[open]")) return attach(files);
}

document.addEventListener("change", async (event) => {
  const field = event.target;
  if (field.dataset.upload !== undefined) return void (await fillFile(field, field.files));
  if (field.id !== "files") return;
  await attach(field.files);
  field.value = "";
});

document.addEventListener("paste", (event) => {
  const files = event.clipboardData?.files;
  if (!files?.length) return;
  event.preventDefault();
  receive(files);
});

let dragDepth = 0;
const dragging = (on) => document.body.classList.toggle("dragging", on);
document.addEventListener("dragenter", (event) => {
  if ([...event.dataTransfer.types].includes("Files")) dragging(++dragDepth > 0);
});
document.addEventListener("dragleave", () => dragging((dragDepth = Math.max(0, dragDepth - 1)) > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dragDepth = 0;
  dragging(false);
  receive(event.dataTransfer.files);
});
