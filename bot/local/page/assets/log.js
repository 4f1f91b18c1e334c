// The messages: following the newest one, and marking where the reader stopped reading.

import { all, one, words } from "./common.js";

const NEAR = 80; // pixels from the end that still count as the end
let following = true;

const frame = () => one(".log-frame");
const seen = () => following && document.hasFocus();

export function follow() {
  const log = one("#log");
  if (log && following) log.scrollTop = log.scrollHeight;
}

export function toBottom() {
  following = true;
  frame()?.classList.remove("away", "fresh");
  follow();
}

function mark(message) {
  all("[data-unread]").forEach((slot) => slot.removeAttribute("data-unread"));
  if (!message) return;
  const found = one(`article[data-message="${message}"]`);
  found?.closest(".message-slot").setAttribute("data-unread", words.fresh);
}

// A channel was opened that had unread messages.
export const markUnread = mark;

// A message came in from somebody else.
export function arrived(message) {
  if (seen()) return;
  if (!following) frame().classList.add("fresh");
  if (!one("[data-unread]")) mark(message);
}

export function watchLog(log) {
  let last = { top: 0, height: 0, room: 0 };
  log.addEventListener("scroll", () => {
    // Only a reader who goes up stops following; a picture that loads late or a window of another
    // size does not.
    const now = { top: log.scrollTop, height: log.scrollHeight, room: log.clientHeight };
    if (now.height - now.top - now.room < NEAR) following = true;
    else if (now.height === last.height && now.room === last.room && now.top < last.top - 1) {
      following = false;
    }
    last = now;
    frame().classList.toggle("away", !following);
    if (following) frame().classList.remove("fresh");
  });
  new ResizeObserver(follow).observe(one("#messages"));
  new ResizeObserver(follow).observe(log);
  document.addEventListener("load", follow, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-jump]")) toBottom();
  });
}
