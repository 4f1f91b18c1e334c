// What has to happen in the browser itself: keys, files, places, times. Everything else is told to
// the server by emitEvent("act", …) and comes back as new HTML.
"use strict";

(() => {
  const act = (action, details = {}) => emitEvent("act", { action, ...details });
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const composer = () => one("#composer");
  let pointer = { x: 0, y: 0 };
  let opener = null; // what gets the focus back when a menu or form closes

  // -- clicks, choices, forms

  document.addEventListener("click", (event) => {
    const spoiler = event.target.closest("[data-spoiler]");
    if (spoiler) spoiler.classList.add("shown");
    const link = event.target.closest("a[href]");
    if (link && !link.hasAttribute("download")) {
      event.preventDefault();
      window.open(link.href, "_blank", "noopener");
      return;
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      navigator.clipboard?.writeText(copy.dataset.copy).catch(() => {});
      closeMenu();
      return;
    }
    if (event.target.closest("[data-send]")) return send();
    const button = event.target.closest("[data-action]");
    if (!button) return closeMenu();
    const { action, ...details } = button.dataset;
    if (action === "sidebar") return void document.body.classList.toggle("sidebar-open");
    if (action === "channel") document.body.classList.remove("sidebar-open");
    if (action === "menu") {
      opener = button;
      const box = button.getBoundingClientRect();
      pointer = { x: box.right, y: box.bottom };
    } else closeMenu();
    if (action === "command") composer().focus();
    act(action, details);
  });

  document.addEventListener("contextmenu", (event) => {
    const message = event.target.closest("article[data-message]");
    if (!message || event.target.closest("a, textarea, input") || String(getSelection())) return;
    event.preventDefault();
    opener = message;
    pointer = { x: event.clientX, y: event.clientY };
    act("menu", { message: message.dataset.message });
  });

  document.addEventListener("change", async (event) => {
    const field = event.target;
    if (field.dataset.upload !== undefined) return void (await fillFile(field));
    if (field.id === "files") {
      await attach(field.files);
      field.value = "";
      return;
    }
    if (!field.dataset.change) return;
    const { change, ...details } = field.dataset;
    const values = all("option", field).filter((o) => o.selected && o.value).map((o) => o.value);
    act(change, { ...details, values });
  });

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-submit]");
    if (!form) return;
    event.preventDefault();
    act(`submit-${form.dataset.submit}`, { values: gathered(form) });
  });

  function gathered(form) {
    const values = {};
    for (const field of all("[data-name]", form)) {
      values[field.dataset.name] =
        field.tagName === "SELECT" && field.multiple
          ? all("option", field).filter((o) => o.selected).map((o) => o.value)
          : field.value;
    }
    return values;
  }

  // -- the text field

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !one("dialog[open]")) {
      if (one("[data-menu]")) return closeMenu();
      act("cancel");
      composer().focus();
      return;
    }
    const menu = event.target.closest?.("[data-menu]");
    if (menu) return moveInMenu(event, menu);
    if (event.target === composer()) return composerKey(event);
    if (event.key === "Enter" && event.target.matches?.("textarea.one-line") && !event.isComposing) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    const message = event.target.closest?.("article[data-message]");
    if (message === event.target && message && (event.key === "ContextMenu" || event.key === "Enter")) {
      event.preventDefault();
      const box = message.getBoundingClientRect();
      pointer = { x: box.left + 72, y: box.top + 24 };
      opener = message;
      act("menu", { message: message.dataset.message });
    }
    if ((event.key === "Enter" || event.key === " ") && event.target.matches?.("[data-spoiler], label[role=button]")) {
      event.preventDefault();
      event.target.click();
    }
  });

  function composerKey(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is still at work
    const field = event.target;
    const options = all("#picker [role=option]");
    if (options.length && ["ArrowDown", "ArrowUp", "Tab"].includes(event.key)) {
      event.preventDefault();
      const chosen = options.findIndex((o) => o.getAttribute("aria-selected") === "true");
      if (event.key === "Tab") return void options[chosen]?.click();
      const next = (chosen + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
      options.forEach((o, i) => o.setAttribute("aria-selected", String(i === next)));
      options[next].scrollIntoView({ block: "nearest" });
      field.setAttribute("aria-activedescendant", options[next].id);
      return;
    }
    if (event.key === "ArrowUp" && !field.value) {
      event.preventDefault();
      act("edit-last");
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      const chosen = one('#picker [aria-selected="true"]');
      if (chosen && !field.value.includes(" ")) return void chosen.click();
      send();
    }
  }

  function send() {
    const field = composer();
    act("send", { text: field.value });
    setText("");
  }

  function setText(text) {
    const field = composer();
    field.value = text;
    grow(field);
  }

  function grow(field) {
    field.style.height = "auto";
    if (field.offsetParent === null) return; // hidden: it has no height to measure
    field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`;
  }

  let wasSlash = false;
  let suggestTimer = 0;
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (field.tagName === "TEXTAREA") grow(field);
    if (field === composer()) {
      const slash = field.value.startsWith("/");
      if (slash || wasSlash) act("type", { text: field.value });
      wasSlash = slash;
    }
    if (field.dataset.suggest) {
      clearTimeout(suggestTimer);
      suggestTimer = setTimeout(() => {
        act("suggest", { option: field.dataset.suggest, values: gathered(field.form) });
      }, 150);
    }
  });

  // -- files

  async function upload(file) {
    const body = new FormData();
    body.append("file", file);
    const answer = await fetch("local/uploads", { method: "POST", body });
    return answer.ok ? (await answer.json()).key : null;
  }

  async function attach(files) {
    for (const file of files) {
      const key = await upload(file).catch(() => null);
      if (key) act("attach", { file: key });
      else act("refused-file", { name: file.name });
    }
    composer().focus();
  }

  async function fillFile(field) {
    const names = [];
    const keys = [];
    for (const file of field.files) {
      const key = await upload(file).catch(() => null);
      if (key) {
        keys.push(key);
        names.push(file.name);
      } else act("refused-file", { name: file.name });
    }
    const box = field.closest(".file-field");
    one("[data-name]", box).value = keys.join(" ");
    one(".file-names", box).textContent = names.join(", ");
  }

  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files;
    if (!files?.length || one("dialog[open]")) return;
    event.preventDefault();
    attach(files);
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
    attach(event.dataTransfer.files);
  });

  // -- menus and forms that appear

  function closeMenu() {
    if (!one("[data-menu]")) return;
    act("close-menu");
    one("[data-menu]").remove();
    opener?.isConnected && opener.focus();
  }

  function placeMenu(menu) {
    menu.style.left = `${Math.max(8, Math.min(pointer.x, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(pointer.y, innerHeight - menu.offsetHeight - 8))}px`;
    one("[role=menuitem]", menu)?.focus();
  }

  function moveInMenu(event, menu) {
    const items = all("[role=menuitem]", menu);
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  }

  function openModal(dialog) {
    dialog.showModal();
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      act("close-modal");
    });
    one("textarea, input:not([type=hidden]), select", dialog)?.focus();
  }

  // -- times, in the reader's zone and language

  const DAY = 86_400_000;
  const FORMATS = {
    t: { timeStyle: "short" },
    T: { timeStyle: "medium" },
    d: { dateStyle: "short" },
    D: { dateStyle: "long" },
    f: { dateStyle: "long", timeStyle: "short" },
    F: { dateStyle: "full", timeStyle: "short" },
  };

  function relative(date, language) {
    const seconds = (date - Date.now()) / 1000;
    const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
    const [unit, size] = units.find(([, s]) => Math.abs(seconds) >= s) ?? units[3];
    return format.format(Math.round(seconds / size), unit);
  }

  function showTime(element) {
    const { unix, style } = element.dataset;
    const date = unix ? new Date(Number(unix) * 1000) : new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) return;
    const language = document.documentElement.lang || "en";
    if (style === "m") {
      const today = new Date().toDateString() === date.toDateString() || Date.now() - date < DAY / 4;
      element.textContent = new Intl.DateTimeFormat(language, today ? FORMATS.t : { dateStyle: "short", timeStyle: "short" }).format(date);
    } else {
      element.textContent = style === "R" ? relative(date, language) : new Intl.DateTimeFormat(language, FORMATS[style] ?? FORMATS.f).format(date);
    }
    element.title = new Intl.DateTimeFormat(language, FORMATS.F).format(date);
  }

  // -- following the newest message

  let following = true;
  const follow = () => {
    const log = one("#log");
    if (log && following) log.scrollTop = log.scrollHeight;
  };

  function start() {
    const log = one("#log");
    if (!log) return void setTimeout(start, 20);
    let last = 0;
    log.addEventListener("scroll", () => {
      // Only a reader who goes up stops following; a picture that loads late does not.
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
      if (atEnd) following = true;
      else if (log.scrollTop < last - 1) following = false;
      last = log.scrollTop;
    });
    new ResizeObserver(follow).observe(one("#messages"));
    new ResizeObserver(follow).observe(log);
    document.addEventListener("load", follow, true);
    const fresh = (node) => {
      if (node.nodeType !== 1) return;
      const within = (selector) => (node.matches(selector) ? [node] : all(selector, node));
      within("time").forEach(showTime);
      within("[data-menu]").forEach(placeMenu);
      within("dialog[data-modal]").forEach(openModal);
      within("form.options").forEach((form) => one("textarea, input:not([type=hidden]), select", form)?.focus());
    };
    new MutationObserver((changes) => {
      changes.forEach((change) => change.addedNodes.forEach(fresh));
      follow();
    }).observe(document.body, { childList: true, subtree: true });
    fresh(document.body);
    setInterval(() => all('time[data-style="R"]').forEach(showTime), 10_000);
    composer().focus();
  }

  window.tutorPage = {
    send,
    setText,
    focus: () => composer().focus(),
    toBottom: () => {
      following = true;
      follow();
    },
    suggest: (option, choices) => {
      const box = one(`[data-suggestions="${CSS.escape(option)}"]`);
      if (!box) return;
      box.replaceChildren(
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
    },
    modalNote: (text) => {
      const note = one("dialog .modal-note");
      if (note) note.textContent = text;
    },
    setLanguage: (locale, title) => {
      document.documentElement.lang = locale;
      document.title = title;
      all("time").forEach(showTime);
    },
    address: (language) => history.replaceState(null, "", `?lang=${language}`),
  };
  document.addEventListener("DOMContentLoaded", start);
})();
