"""Coloured terminal output in an ```ansi block: the few codes of SGR that Discord knows."""

from __future__ import annotations

import re
from html import escape

_SGR = re.compile(r"\x1b\[([\d;]{0,32})m")
_RESET, _BOLD, _UNDERLINE = 0, 1, 4
_INK = range(30, 38)
_PAPER = range(40, 48)


def colour(text: str) -> str:
    """`text` as escaped HTML, with a span of classes around each run of one look."""
    out: list[str] = []
    look: dict[str, str] = {}
    position = 0
    for code in _SGR.finditer(text):
        out.append(_run(text[position : code.start()], look))
        for part in code[1].split(";"):
            _change(look, int(part or _RESET))
        position = code.end()
    out.append(_run(text[position:], look))
    return "".join(out)


def _change(look: dict[str, str], code: int) -> None:
    if code == _RESET:
        look.clear()
    elif code == _BOLD:
        look["weight"] = "ansi-bold"
    elif code == _UNDERLINE:
        look["line"] = "ansi-under"
    elif code in _INK:
        look["ink"] = f"ansi-ink-{code - _INK.start}"
    elif code in _PAPER:
        look["paper"] = f"ansi-paper-{code - _PAPER.start}"


def _run(text: str, look: dict[str, str]) -> str:
    if not text:
        return ""
    if not look:
        return escape(text)
    return f'<span class="{" ".join(look.values())}">{escape(text)}</span>'
