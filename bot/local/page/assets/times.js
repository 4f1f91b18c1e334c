// Times, in the reader's zone and language.

import { all } from "./common.js";

const DAY = 86_400_000;
const FORMATS = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};
const UNITS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

function relative(date, language) {
  const seconds = (date - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const [unit, size] = UNITS.find(([, s]) => Math.abs(seconds) >= s) ?? UNITS.at(-1);
  return format.format(Math.round(seconds / size), unit);
}

export function showTime(element) {
  const { unix, style } = element.dataset;
  const date = unix ? new Date(Number(unix) * 1000) : new Date(element.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const language = document.documentElement.lang || "en";
  const written = (format) => new Intl.DateTimeFormat(language, format).format(date);
  if (style === "m") {
    const today = new Date().toDateString() === date.toDateString() || Date.now() - date < DAY / 4;
    element.textContent = written(today ? FORMATS.t : { dateStyle: "short", timeStyle: "short" });
  } else {
    element.textContent = style === "R" ? relative(date, language) : written(FORMATS[style] ?? FORMATS.f);
  }
  element.title = written(FORMATS.F);
}

setInterval(() => all('time[data-style="R"]').forEach(showTime), 10_000);
